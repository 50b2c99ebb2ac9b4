// SPDX-License-Identifier: Apache-2.0
// Where the system is read; tests put their own trees here.
#pragma once

#include <string>

namespace waggle {

struct Roots {
    std::string proc = "/proc";
    std::string sys = "/sys";
    std::string run_netns = "/run/netns";
    std::string cgroup = "/sys/fs/cgroup";
};

}  // namespace waggle
