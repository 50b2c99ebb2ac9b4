// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace waggle {

// Whether a path leads to something in `folder`, at any depth. Both absolute; no path lies below itself.
constexpr bool lies_below(std::string_view path, std::string_view folder) {
    if (folder == "/") return path.size() > 1;
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace waggle
