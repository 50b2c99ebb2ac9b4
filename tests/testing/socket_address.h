// SPDX-License-Identifier: Apache-2.0
// Addresses of either version of IP for the sockets of tests, from their text.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "bpf/event.h"
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

// Whether a row's address is this one.
inline bool is_at(const waggle_address& address, const std::string& host) {
    unsigned char bytes[16] = {};
    require(::inet_pton(family_of(host), host.c_str(), bytes) == 1, host);
    return address.family == (family_of(host) == AF_INET ? 4 : 6) &&
           std::memcmp(address.bytes, bytes, sizeof bytes) == 0;
}

}  // namespace waggle::test
