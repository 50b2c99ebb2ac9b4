// SPDX-License-Identifier: Apache-2.0
// What the facts about task limits share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/roots.h"
#include "model/schema.h"

namespace waggle::facts {

struct TaskGroup {
    std::string path, folder;
    std::string limited_by;  // the group whose limit refused tasks; empty where that is not known
    std::int64_t tasks = 0;  // in it and below it
    std::int64_t peak = 0;   // the most there were, as far as the kernel keeps that
    std::int64_t limit = null_i64;
    std::int64_t refused = null_i64;
    bool counts_own_limit = false;  // `refused` counts by limit, not by asker
    bool has_processes = false;
    std::uint8_t version = 2;
};

// The groups that have a limit or were refused tasks, those of one version after another, from the root down.
std::vector<TaskGroup> task_groups(const Roots& roots);
std::string unit_of_group(std::string_view path);  // the systemd unit that the group itself is; else empty

}  // namespace waggle::facts
