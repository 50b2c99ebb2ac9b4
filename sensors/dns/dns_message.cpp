// SPDX-License-Identifier: Apache-2.0
#include "sensors/dns/dns_message.h"

#include <fmt/core.h>

#include <cstddef>

namespace waggle::sensors {
namespace {

constexpr std::size_t head_bytes = 12;
constexpr std::size_t longest_name = 255;  // as the protocol has it, length bytes included
constexpr std::size_t longest_label = 63;

std::size_t byte_at(Bytes message, std::size_t at) { return std::to_integer<std::size_t>(message[at]); }

void append_byte(std::string& name, std::size_t byte) {
    const bool plain = byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\';
    if (plain)
        name += static_cast<char>(byte);
    else
        name += fmt::format("\\{:03}", byte);
}

// Appends the name that begins at `at`, and moves `at` behind it. False where it does not end in order.
bool read_name(Bytes message, std::size_t& at, std::string& name) {
    std::size_t from = at, used = 0, nearest = message.size();
    bool jumped = false;
    while (from < message.size()) {
        const std::size_t length = byte_at(message, from);
        if (length == 0) {
            if (!jumped) at = from + 1;
            if (name.empty()) name = ".";
            return true;
        }
        if (length >> 6 == 3) {
            if (from + 1 >= message.size()) return false;
            const std::size_t to = (length & 0x3f) << 8 | byte_at(message, from + 1);
            // Only ever further back: a loop would have to come forward again.
            if (to >= from || to >= nearest) return false;
            if (!jumped) at = from + 2;
            jumped = true;
            from = nearest = to;
            continue;
        }
        used += length + 1;
        if (length > longest_label || used >= longest_name) return false;
        if (!name.empty()) name += '.';
        for (std::size_t i = from + 1; i <= from + length; ++i) {
            if (i >= message.size()) return false;
            append_byte(name, byte_at(message, i));
        }
        from += length + 1;
    }
    return false;
}

}  // namespace

DnsQuestion read_dns_question(Bytes message) {
    DnsQuestion question;
    std::size_t at = head_bytes;
    question.cut = !read_name(message, at, question.name) || at + 4 > message.size();
    if (!question.cut)
        question.type = static_cast<std::uint16_t>(byte_at(message, at) << 8 | byte_at(message, at + 1));
    return question;
}

}  // namespace waggle::sensors
