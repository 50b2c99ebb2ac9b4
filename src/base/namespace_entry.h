// SPDX-License-Identifier: Apache-2.0
// How a command is run in another network namespace.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "base/shell.h"

namespace waggle {

// What stands before the command: by the name that `ip netns` knows, else by the path that opens it, for its processes
// can end and its name stays. Empty where neither is known.
inline std::string namespace_entry(std::string_view name, std::string_view path) {
    if (!name.empty()) return fmt::format("ip netns exec {} ", shell_word(name));
    if (!path.empty()) return fmt::format("nsenter --net={} ", shell_word(path));
    return {};
}

}  // namespace waggle
