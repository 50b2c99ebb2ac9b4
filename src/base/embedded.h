// SPDX-License-Identifier: Apache-2.0
// A data file compiled into the binary by cmake/embed.cmake.
#pragma once

#include <span>
#include <string_view>

namespace waggle {

struct EmbeddedFile {
    std::string_view path;  // as in the source tree, for messages: "knowledge/en/errno.yaml"
    std::string_view text;  // lives as long as the program
};

}  // namespace waggle
