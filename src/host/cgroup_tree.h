// SPDX-License-Identifier: Apache-2.0
// The control groups, from the root down.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/roots.h"

namespace waggle {

// Calls `visit` with each group's open directory, valid until it returns, and its path below the root ("/" for the root
// itself), a group before those in it; not below 32 levels. A machine without version 2 has none.
void each_cgroup(const Roots& roots, const std::function<void(int fd, const std::string& path)>& visit);
// The same of version 1, for one controller ("blkio").
void each_cgroup_1(const Roots& roots, const std::string& controller,
                   const std::function<void(int fd, const std::string& path)>& visit);

// What a file of a group's directory holds, as much as there is room for; empty where it cannot be read.
std::string_view read_cgroup_file(int fd, const char* name, std::span<char> buffer);
// The processes in a group itself; none where it has threads alone.
std::vector<std::uint32_t> cgroup_processes(int fd);

}  // namespace waggle
