// SPDX-License-Identifier: Apache-2.0
// The protocols above IP by their numbers, as /etc/protocols names them, which is also what nft, iptables and ss print.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waggle {

struct IpProtocol {
    std::uint8_t number;
    std::string_view name;
};
inline constexpr IpProtocol ip_protocols[] = {
    {0, "hopopt"},    {1, "icmp"},   {2, "igmp"},        {4, "ipip"},        {6, "tcp"},        {17, "udp"},
    {33, "dccp"},     {41, "ipv6"},  {43, "ipv6-route"}, {44, "ipv6-frag"},  {46, "rsvp"},      {47, "gre"},
    {50, "esp"},      {51, "ah"},    {58, "icmpv6"},     {59, "ipv6-nonxt"}, {60, "ipv6-opts"}, {88, "eigrp"},
    {89, "ospf"},     {103, "pim"},  {108, "ipcomp"},    {112, "vrrp"},      {115, "l2tp"},     {132, "sctp"},
    {136, "udplite"}, {137, "mpls"},
};

// By its name in lower case; nothing where there is none.
inline std::optional<std::uint8_t> ip_protocol_number(std::string_view name) {
    if (name == "ipv6-icmp") name = "icmpv6";  // as /etc/protocols has it
    const auto* known = std::ranges::find(ip_protocols, name, &IpProtocol::name);
    if (known == std::end(ip_protocols)) return std::nullopt;
    return known->number;
}

// Its name; the number where it has none.
inline std::string ip_protocol_text(std::uint8_t number) {
    const auto* known = std::ranges::find(ip_protocols, number, &IpProtocol::number);
    return known == std::end(ip_protocols) ? std::to_string(number) : std::string(known->name);
}

}  // namespace waggle
