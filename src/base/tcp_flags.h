// SPDX-License-Identifier: Apache-2.0
// The flags of TCP by their names, in the order of their bits (include/uapi/linux/tcp.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace waggle {

inline constexpr std::string_view tcp_flag_names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};

// The bit of one flag; nothing where there is none of that name.
inline std::optional<std::uint8_t> tcp_flag_bit(std::string_view name) {
    const auto* known = std::ranges::find(tcp_flag_names, name);
    if (known == std::end(tcp_flag_names)) return std::nullopt;
    return static_cast<std::uint8_t>(1u << (known - std::begin(tcp_flag_names)));
}

// "SYN|ACK"; "none" where no flag is set.
inline std::string tcp_flags_text(std::uint64_t flags) {
    std::string text;
    for (std::size_t i = 0; i < std::size(tcp_flag_names); ++i)
        if (flags >> i & 1) text += (text.empty() ? "" : "|") + std::string(tcp_flag_names[i]);
    return text.empty() ? "none" : text;
}

// What tcp_flags_text() said; nothing where it says something else.
inline std::optional<std::uint8_t> tcp_flags_of(std::string_view text) {
    if (text == "none") return 0;
    std::uint8_t flags = 0;
    for (const std::string_view word : split(text, '|')) {
        const std::optional<std::uint8_t> bit = tcp_flag_bit(word);
        if (!bit) return std::nullopt;
        flags = static_cast<std::uint8_t>(flags | *bit);
    }
    return flags;
}

}  // namespace waggle
