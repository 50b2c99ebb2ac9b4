// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace waggle::facts {

// A line of /proc/PID/mountinfo.
struct Mount {
    std::uint64_t id = 0;
    std::string device;  // major:minor
    std::string root;    // the part of the file system that is shown
    std::string mounted_at;
    std::string options;        // of this mount
    std::string kind;           // ext4, overlay …
    std::string source;         // /dev/sda1, overlay …
    std::string super_options;  // of the file system
};

std::optional<Mount> parse_mount(std::string_view line);

}  // namespace waggle::facts
