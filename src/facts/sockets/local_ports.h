// SPDX-License-Identifier: Apache-2.0
// The ports that the kernel chooses from when a program connects.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace waggle::facts {

struct PortRange {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::uint32_t ports = 0;                                        // without those that are reserved
    std::vector<std::pair<std::uint32_t, std::uint32_t>> reserved;  // from and to, within the range

    bool has(std::uint32_t port) const {
        return port >= first && port <= last && std::ranges::none_of(reserved, [port](const auto& part) {
                   return port >= part.first && port <= part.second;
               });
    }
};

// As net.ipv4.ip_local_port_range ("32768 60999") and ip_local_reserved_ports ("8080,9000-9010") say it; nothing where
// the first is not a range.
std::optional<PortRange> parse_port_range(std::string_view range, std::string_view reserved);

}  // namespace waggle::facts
