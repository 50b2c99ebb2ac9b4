// SPDX-License-Identifier: Apache-2.0
// FirewallPacket: what is known of a packet at one hook, and the three answers a comparison with it can have.
#pragma once

#include "bpf/event.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace waggle::facts {

// maybe: the packet, as far as it is known, does not say.
enum class Tri : std::uint8_t { no, maybe, yes };

inline Tri operator!(Tri a) { return a == Tri::maybe ? a : a == Tri::yes ? Tri::no : Tri::yes; }
inline Tri operator&(Tri a, Tri b) { return a < b ? a : b; }
inline Tri operator|(Tri a, Tri b) { return a < b ? b : a; }
inline Tri tri(bool value) { return value ? Tri::yes : Tri::no; }

// States of connection tracking, as nftables numbers them.
enum ConnectionState : std::uint32_t {
    ct_invalid = 1,
    ct_established = 2,
    ct_related = 4,
    ct_new = 8,
    ct_untracked = 64
};

struct FirewallPacket {
    std::string iif, oif;  // empty: not known
    bool has_iif = true;   // false where the hook's packets have none
    bool has_oif = true;
    waggle_address source{};
    waggle_address destination{};
    std::optional<std::uint8_t> protocol;  // 6 = TCP, 17 = UDP …
    std::optional<std::uint16_t> source_port, destination_port;
    std::optional<std::uint8_t> tcp_flags;
    std::optional<std::uint32_t> length;
    std::optional<std::uint8_t> icmp_type;
    std::optional<std::uint8_t> ttl, tos;
    std::optional<std::uint32_t> mark;
    std::optional<std::uint32_t> uid;       // of the socket that sent it
    std::optional<std::uint64_t> mac;       // the sender's hardware address
    std::optional<std::uint8_t> link_type;  // as include/uapi/linux/if_packet.h numbers them
    // What the machine takes the destination for: 2 = local, 3 = broadcast, 5 = multicast, 1 = unicast
    // (RTN_*).
    std::optional<std::uint8_t> destination_type;
    // What connection tracking said, one of ConnectionState; and of the connection itself.
    std::optional<std::uint32_t> ct_state;
    std::optional<bool> ct_reply;
    std::optional<std::uint32_t> ct_status, ct_mark;
    waggle_address original_destination{};
    std::optional<std::uint16_t> original_port;
    // Set when an answer rested on what connection tracking nearly always says (the first packet of a TCP
    // connection is new, a UDP packet is not invalid), not on what it said.
    mutable bool assumed_state = false;

    bool is_v4() const { return source.family == 4; }
    bool has_ports() const;  // its protocol has ports at the usual place
    // Which states it can be in; sets assumed_state where fewer than all.
    std::uint32_t possible_states() const;
};

// "6", "tcp", "TCP" …; nothing for a word that is no protocol.
std::optional<std::uint8_t> protocol_number(std::string_view text);
// Family 0 where `text` is no address.
waggle_address parse_address(std::string_view text);

int compare(const waggle_address& a, const waggle_address& b);  // as memcmp; the families are equal
bool in_prefix(const waggle_address& address, const waggle_address& network, unsigned bits);
// Which of `wanted` states fit those the packet can be in.
Tri state_is(const FirewallPacket& packet, std::uint32_t wanted);

}  // namespace waggle::facts
