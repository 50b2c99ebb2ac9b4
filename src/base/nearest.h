// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace waggle {

// "; did you mean do_exit or do_exit_group" for the end of an error, at most so many words; "" where none is near.
inline std::string did_you_mean(std::string_view word, std::span<const std::string_view> known,
                                std::size_t most = 3) {
    std::vector<std::string> near = nearest_words(word, known, most);
    for (std::string& each : near) each = escape_control(each);
    return near.empty() ? std::string() : fmt::format("; did you mean {}", fmt::join(near, " or "));
}

inline std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
    const std::vector<std::string_view> views(known.begin(), known.end());
    return did_you_mean(word, views);
}

}  // namespace waggle
