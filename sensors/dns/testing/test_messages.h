// SPDX-License-Identifier: Apache-2.0
// Questions and answers of name servers, for tests. Header only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

namespace waggle::test {

inline std::string question(std::uint16_t id, const std::string& name, std::uint16_t type = 1) {
    std::string out{static_cast<char>(id >> 8), static_cast<char>(id), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    for (std::size_t from = 0; from < name.size();) {
        const std::size_t dot = std::min(name.find('.', from), name.size());
        out += static_cast<char>(dot - from);
        out += name.substr(from, dot - from);
        from = dot + 1;
    }
    return out + '\0' + static_cast<char>(type >> 8) + static_cast<char>(type) + std::string("\0\1", 2);
}

// The same message as an answer.
inline std::string answer_to(std::string message, int code, bool truncated = false, int records = 0) {
    message[2] = static_cast<char>(0x80 | (truncated ? 2 : 0));
    message[3] = static_cast<char>(0x80 | code);  // of a resolver
    message[7] = static_cast<char>(records);
    return message;
}

}  // namespace waggle::test
