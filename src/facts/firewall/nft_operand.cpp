// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall/nft_operand.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cstdlib>

#include "facts/firewall/nft_json.h"

namespace waggle::facts {
namespace {

using Operand = NftOperand;
using Json = nlohmann::json;

template <class T>
Operand number_or_unknown(const std::optional<T>& value) {
    return value ? Operand::of_number(*value) : Operand();
}

std::optional<std::uint8_t> transport_of(std::string_view name) {
    if (name == "th") return {};
    return protocol_number(name);
}

Operand ip_operand(const FirewallPacket& packet, bool v4, std::string_view field) {
    if (packet.source.family == 0) return {};
    if (packet.is_v4() != v4) return Operand::of(Operand::Kind::absent);
    if (field == "saddr") return Operand::of_address(packet.source);
    if (field == "daddr")
        return packet.destination.family ? Operand::of_address(packet.destination) : Operand();
    if (field == "version") return Operand::of_number(v4 ? 4 : 6);
    if (field == (v4 ? "protocol" : "nexthdr")) return number_or_unknown(packet.protocol);
    if (field == "length" && v4) return number_or_unknown(packet.length);
    if (field == (v4 ? "ttl" : "hoplimit")) return number_or_unknown(packet.ttl);
    if (field == "dscp" && packet.tos) return Operand::of_number(*packet.tos >> 2);
    if (field == "ecn" && packet.tos) return Operand::of_number(*packet.tos & 3);
    return {};
}

std::string mac_text(std::uint64_t mac) {
    std::string text;
    for (int shift = 40; shift >= 0; shift -= 8)
        text += fmt::format("{}{:02x}", text.empty() ? "" : ":", mac >> shift & 0xff);
    return text;
}

Operand payload_operand(const FirewallPacket& packet, const Json& payload) {
    const std::string protocol = text_at(payload, "protocol");
    const std::string field = text_at(payload, "field");
    if (protocol == "ip" || protocol == "ip6") return ip_operand(packet, protocol == "ip", field);
    if (protocol == "ether" && field == "saddr" && packet.mac) return Operand::of_text(mac_text(*packet.mac));
    const auto transport = transport_of(protocol);
    if (transport && field == "type" && (protocol == "icmp" || protocol == "icmpv6")) {
        if (!packet.protocol) return {};
        if (*transport != *packet.protocol) return Operand::of(Operand::Kind::absent);
        return number_or_unknown(packet.icmp_type);
    }
    if (transport || protocol == "th") {
        if (!packet.protocol) return {};
        if (transport && *transport != *packet.protocol) return Operand::of(Operand::Kind::absent);
        if (!packet.has_ports()) return {};
        if (field == "sport") return number_or_unknown(packet.source_port);
        if (field == "dport") return number_or_unknown(packet.destination_port);
        if (field == "flags" && packet.protocol == IPPROTO_TCP) return number_or_unknown(packet.tcp_flags);
    }
    return {};
}

Operand interface_operand(bool there, const std::string& name) {
    if (!there) return Operand::of(Operand::Kind::absent);
    return name.empty() ? Operand() : Operand::of_text(name);
}

Operand meta_operand(const FirewallPacket& packet, std::string_view key) {
    if (key == "l4proto") return number_or_unknown(packet.protocol);
    if (key == "nfproto" && packet.source.family)
        return Operand::of_number(packet.is_v4() ? 2 : 10);  // NFPROTO_IPV4, NFPROTO_IPV6
    if (key == "protocol" && packet.source.family)
        return Operand::of_number(packet.is_v4() ? 0x0800 : 0x86dd);
    if (key == "iif" || key == "iifname") return interface_operand(packet.has_iif, packet.iif);
    if (key == "oif" || key == "oifname") return interface_operand(packet.has_oif, packet.oif);
    if (key == "length") return number_or_unknown(packet.length);
    if (key == "mark") return number_or_unknown(packet.mark);
    if (key == "skuid") return packet.has_iif ? Operand() : number_or_unknown(packet.uid);
    if (key == "pkttype") return number_or_unknown(packet.link_type);
    return {};
}

Operand ct_operand(const FirewallPacket& packet, const Json& ct) {
    const std::string key = text_at(ct, "key");
    const bool original = text_at(ct, "dir") == "original";
    if (key == "state") return Operand::of(Operand::Kind::state);
    // Without a connection there is nothing to compare with.
    if (packet.ct_state && (*packet.ct_state == ct_invalid || *packet.ct_state == ct_untracked))
        return Operand::of(Operand::Kind::absent);
    if (key == "mark") return number_or_unknown(packet.ct_mark);
    if (key == "status") return number_or_unknown(packet.ct_status);
    if (key == "direction" && packet.ct_reply) return Operand::of_number(*packet.ct_reply ? 1 : 0);
    if (key == "proto-dst" && original) return number_or_unknown(packet.original_port);
    if ((key == "ip daddr" || key == "ip6 daddr") && original && packet.original_destination.family) {
        if ((packet.original_destination.family == 4) != (key == "ip daddr"))
            return Operand::of(Operand::Kind::absent);
        return Operand::of_address(packet.original_destination);
    }
    return {};
}

// {"result": "type", "flags": ["daddr"]}
Operand fib_operand(const FirewallPacket& packet, const Json& fib) {
    if (text_at(fib, "result") != "type" || !fib.contains("flags")) return {};
    const Json& flags = fib["flags"];
    if (flags == "daddr" || flags == Json::array({"daddr"}))
        return number_or_unknown(packet.destination_type);
    return {};
}

}  // namespace

std::optional<std::uint64_t> nft_number(const Json& value) {
    if (value.is_number_unsigned()) return value.get<std::uint64_t>();
    if (value.is_number_integer() && value.get<std::int64_t>() >= 0) return value.get<std::uint64_t>();
    if (!value.is_string()) return {};
    const std::string& text = value.get_ref<const std::string&>();
    if (text == "ip") return 0x0800;  // meta protocol is printed in words always
    if (text == "ip6") return 0x86dd;
    if (text == "ipv4") return 2;  // meta nfproto, when printed in words
    if (text == "established") return ct_established;
    if (text == "related") return ct_related;
    if (text == "new") return ct_new;
    if (text == "invalid") return ct_invalid;
    if (text == "untracked") return ct_untracked;
    struct Word {
        std::string_view word;
        std::uint64_t number;
    };
    // Other versions of nft print these in words.
    static constexpr Word words[] = {
        {"fin", 1},   {"syn", 2},     {"rst", 4},       {"psh", 8},        {"ack", 16},      {"urg", 32},
        {"local", 2}, {"unicast", 1}, {"broadcast", 3}, {"multicast", 5},  {"original", 0},  {"reply", 1},
        {"snat", 16}, {"dnat", 32},   {"assured", 4},   {"seen-reply", 2}, {"confirmed", 8},
    };
    for (const Word& one : words)
        if (one.word == text) return one.number;
    if (text.starts_with("0x") && text.size() < 18) return std::strtoull(text.c_str(), nullptr, 16);
    const auto protocol = protocol_number(text);
    if (protocol) return *protocol;
    return {};
}

std::optional<std::uint64_t> nft_flags(const Json& value) {
    if (!value.is_array()) return nft_number(value);
    std::uint64_t flags = 0;
    for (const Json& one : value) {
        const auto number = nft_number(one);
        if (!number) return {};
        flags |= *number;
    }
    return flags;
}

Operand nft_operand(const FirewallPacket& packet, const Json& left) {
    if (!left.is_object() || left.empty()) return {};
    const std::string& key = left.begin().key();
    const Json& value = left.begin().value();
    if (key == "payload") return payload_operand(packet, value);
    if (key == "meta") return meta_operand(packet, text_at(value, "key"));
    if (key == "ct") return ct_operand(packet, value);
    if (key == "fib") return fib_operand(packet, value);
    if (key == "concat" && value.is_array()) {
        Operand list = Operand::of(Operand::Kind::list);
        for (const Json& part : value) {
            list.parts.push_back(nft_operand(packet, part));
            if (list.parts.back().kind == Operand::Kind::absent) return Operand::of(Operand::Kind::absent);
        }
        return list;
    }
    if (key == "&" && value.is_array() && value.size() == 2) {
        Operand masked = nft_operand(packet, value[0]);
        if (masked.kind == Operand::Kind::address && value[1].is_string()) {
            const waggle_address bits = parse_address(value[1].get_ref<const std::string&>());
            if (bits.family != masked.address.family) return {};
            for (std::size_t i = 0; i < sizeof bits.bytes; ++i) masked.address.bytes[i] &= bits.bytes[i];
            return masked;
        }
        const auto mask = nft_flags(value[1]);
        if (masked.kind == Operand::Kind::absent) return masked;
        if (masked.kind != Operand::Kind::number || !mask) return {};
        masked.number &= *mask;
        return masked;
    }
    return {};
}

}  // namespace waggle::facts
