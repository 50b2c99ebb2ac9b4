// SPDX-License-Identifier: Apache-2.0
// Questions and answers of name servers, and addresses, for tests. Header only.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "tests/testing/netns.h"

namespace waggle::test {

inline int family_of(const std::string& host) {
    return host.find(':') == std::string::npos ? AF_INET : AF_INET6;
}

inline sockaddr_storage address(const std::string& host, std::uint16_t port, socklen_t& length) {
    sockaddr_storage out{};
    if (family_of(host) == AF_INET) {
        auto& in = reinterpret_cast<sockaddr_in&>(out);
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        require(::inet_pton(AF_INET, host.c_str(), &in.sin_addr) == 1, host);
        length = sizeof in;
    } else {
        auto& in = reinterpret_cast<sockaddr_in6&>(out);
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        require(::inet_pton(AF_INET6, host.c_str(), &in.sin6_addr) == 1, host);
        length = sizeof in;
    }
    return out;
}

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
