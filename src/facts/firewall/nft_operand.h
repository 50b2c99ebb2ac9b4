// SPDX-License-Identifier: Apache-2.0
// The left sides and the values of nftables' comparisons, as `nft --json` prints them, read from a packet.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "facts/firewall/firewall_packet.h"

namespace waggle::facts {

// A part of the packet, as far as it is known. absent: this packet has no such part (IPv6 addresses of an
// IPv4 packet), so the rule does not match whatever it compares.
struct NftOperand {
    enum class Kind : std::uint8_t { unknown, absent, number, address, text, state, list };
    Kind kind = Kind::unknown;
    std::uint64_t number = 0;
    waggle_address address{};
    std::string text;
    std::vector<NftOperand> parts;

    static NftOperand of(Kind kind) { return {kind, 0, {}, {}, {}}; }
    static NftOperand of_number(std::uint64_t n) { return {Kind::number, n, {}, {}, {}}; }
    static NftOperand of_address(const waggle_address& a) { return {Kind::address, 0, a, {}, {}}; }
    static NftOperand of_text(const std::string& t) { return {Kind::text, 0, {}, t, {}}; }
};

// What {"payload": …}, {"meta": …}, {"ct": …}, {"fib": …}, {"concat": […]} or {"&": […]} is in this packet.
NftOperand nft_operand(const FirewallPacket& packet, const nlohmann::json& left);

// A value that nft prints as a number or as one of its words.
std::optional<std::uint64_t> nft_number(const nlohmann::json& value);
// The same, or the flags of a list together.
std::optional<std::uint64_t> nft_flags(const nlohmann::json& value);

}  // namespace waggle::facts
