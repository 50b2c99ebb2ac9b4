// SPDX-License-Identifier: Apache-2.0
// What one rule does to one packet, for each backend, and rules made ready for asking.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "facts/firewall_packet.h"

namespace waggle::facts {

// What can happen to a packet at a rule. A verdict map has several.
struct Outcome {
    enum class Kind : std::uint8_t { drop, accept, jump, go_to, return_, leaves };
    // leaves: handed to another (a queue, another interface); neither dropped here nor seen by later rules
    Kind kind = Kind::accept;
    Tri happens = Tri::no;
    std::string target;  // of jump and go_to
};

// One rule, parsed once. Rules that decide nothing (counters, marks) have no outcome.
class FirewallMatch {
  public:
    virtual ~FirewallMatch() = default;
    // Outcomes that are not `no`, in the order they are tried.
    virtual std::vector<Outcome> outcomes(const FirewallPacket& packet) const = 0;
    // Rewrites addresses or ports, so that what later hooks see is not what came in.
    virtual bool rewrites() const { return false; }
};

// `expression` as the fact firewall_rules has it. Never null: text that is not understood can do anything.
std::unique_ptr<FirewallMatch> make_nft_match(std::string_view expression, std::string_view verdict);
// `rule` is a line of iptables-save: "-A INPUT -p udp --dport 53 -j DROP".
std::unique_ptr<FirewallMatch> make_iptables_match(std::string_view rule);

}  // namespace waggle::facts
