// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall/firewall_packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <charconv>
#include <cstring>

#include "base/protocols.h"
#include "base/text.h"

namespace waggle::facts {

bool FirewallPacket::has_ports() const {
    return protocol && (*protocol == IPPROTO_TCP || *protocol == IPPROTO_UDP || *protocol == IPPROTO_SCTP ||
                        *protocol == IPPROTO_DCCP || *protocol == IPPROTO_UDPLITE);
}

std::uint32_t FirewallPacket::possible_states() const {
    if (ct_state) return *ct_state;
    if (protocol && *protocol == IPPROTO_TCP && tcp_flags &&
        (*tcp_flags & (TH_SYN | TH_ACK | TH_RST | TH_FIN)) == TH_SYN) {
        assumed_state = true;
        return ct_new;
    }
    if (protocol && *protocol == IPPROTO_UDP) {
        assumed_state = true;
        return ct_new | ct_established | ct_related;
    }
    return ct_invalid | ct_established | ct_related | ct_new | ct_untracked;
}

std::optional<std::uint8_t> protocol_number(std::string_view text) {
    std::uint8_t number = 0;
    if (text == "none") return {};
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (!text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size()) return number;
    return ip_protocol_number(to_lower(text));
}

waggle_address parse_address(std::string_view text) {
    waggle_address address{};
    const std::string copy(text);
    if (::inet_pton(AF_INET, copy.c_str(), address.bytes) == 1)
        address.family = 4;
    else if (::inet_pton(AF_INET6, copy.c_str(), address.bytes) == 1)
        address.family = 6;
    return address;
}

int compare(const waggle_address& a, const waggle_address& b) {
    return std::memcmp(a.bytes, b.bytes, a.family == 4 ? 4 : 16);
}

bool in_prefix(const waggle_address& address, const waggle_address& network, unsigned bits) {
    if (address.family != network.family || bits > (address.family == 4 ? 32u : 128u)) return false;
    if (std::memcmp(address.bytes, network.bytes, bits / 8) != 0) return false;
    if (bits % 8 == 0) return true;
    const unsigned mask = (0xff00u >> (bits % 8)) & 0xffu;
    return ((address.bytes[bits / 8] ^ network.bytes[bits / 8]) & mask) == 0;
}

Tri state_is(const FirewallPacket& packet, std::uint32_t wanted) {
    const std::uint32_t possible = packet.possible_states();
    if ((possible & wanted) == 0) return Tri::no;
    return (possible & ~wanted) == 0 ? Tri::yes : Tri::maybe;
}

}  // namespace waggle::facts
