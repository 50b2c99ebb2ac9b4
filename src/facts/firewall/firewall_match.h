// SPDX-License-Identifier: Apache-2.0
// What one rule does to one packet, for each backend, and rules made ready for asking.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "facts/firewall/firewall_packet.h"

namespace waggle::facts {

// What can happen to a packet at a rule. A verdict map has several.
struct Outcome {
    enum class Kind : std::uint8_t { drop, reject, tarpit, accept, jump, go_to, return_, leaves };
    // leaves: handed to another (a queue, another interface); neither dropped here nor seen by later rules.
    // reject and tarpit end the packet too, but its sender hears of it.
    Kind kind = Kind::accept;
    Tri happens = Tri::no;
    std::string target;  // of jump and go_to
};

// An element of a set or map that decided: "nft element inet fw blocked { 192.0.2.0/26 }".
struct SetElement {
    std::string set;  // the set's name; never of an anonymous one
    // As its tool takes it: 192.0.2.0/26, 192.0.2.0/25 . 5000-5999. Empty: the rule is for what no element of
    // the set fits.
    std::string element;
    bool ipset = false;  // of the tool ipset, not of nft
};

// What a rule does to one packet.
struct Evaluation {
    std::vector<Outcome> outcomes;     // that are not `no`, in the order they are tried
    Tri reaches_counter = Tri::maybe;  // whether the rule's counter counts it; `no` also where there is none
    std::vector<SetElement> elements;  // those that a `yes` rests on
};

// One rule, parsed once. Rules that decide nothing (counters, marks) have no outcome.
class FirewallMatch {
  public:
    virtual ~FirewallMatch() = default;
    virtual Evaluation evaluate(const FirewallPacket& packet) const = 0;
    // Whether what its counter counts is what its verdict does: nothing that compares stands between them.
    virtual bool counts_its_verdict() const { return true; }
};

// `expression` as the fact firewall_rules has it. Never null: text that is not understood can do anything.
std::unique_ptr<FirewallMatch> make_nft_match(std::string_view expression, std::string_view verdict);
// `rule` is a line of iptables-save: "-A INPUT -p udp --dport 53 -j DROP".
// `expression`: empty, or {"ipsets": {NAME: {"type": …, "entries": […]}}}, the sets that it names.
std::unique_ptr<FirewallMatch> make_iptables_match(std::string_view rule, std::string_view expression = {});

}  // namespace waggle::facts
