// SPDX-License-Identifier: Apache-2.0
// NatTarget: where a rule sends packets that were sent elsewhere (DNAT, REDIRECT), as far as its words tell.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "facts/firewall/firewall_packet.h"

namespace waggle::facts {

struct NatTarget {
    bool here = false;         // redirect: an address of this machine
    waggle_address address{};  // family 0: it stays as it is, or cannot be told
    std::optional<std::uint16_t> port;
    bool is_whole = true;  // false: part of it (a map, a range) is not in the words
};

// Nothing for a rule that rewrites no destination. The arguments are columns of firewall_rules.
std::optional<NatTarget> nat_target(std::string_view backend, std::string_view verdict, std::string_view rule,
                                    std::string_view expression);

// Whether the target is that address and port. What its words leave open fits nothing.
bool is_at(const NatTarget& target, const waggle_address& address, std::uint16_t port);

}  // namespace waggle::facts
