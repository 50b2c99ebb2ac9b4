// SPDX-License-Identifier: Apache-2.0
// FirewallVerdict: which rules can have dropped a packet. Walks the rules of the fact firewall_rules as the
// kernel would, with three answers to every comparison (yes, no, not known). Counters acquit: what counted
// nothing in the time that is looked at did nothing, and what stands behind a rule that must have counted the
// packet and did not was never reached. Pure: the same rows give the same answer, so a replay agrees.
//
// Suspicion is not guilt: to convict one of the suspects is the caller's business, who knows how many packets
// were dropped and what else in the kernel drops (agent/drops/drop_causes.h).
//
// Not thread-safe: rules are made ready when first asked about.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "facts/firewall/firewall_match.h"
#include "facts/firewall/firewall_place.h"
#include "model/table.h"

namespace waggle::facts {

// A packet that a firewall dropped, as far as it is known; what is empty is not.
struct DroppedPacket {
    std::uint32_t netns = 0;
    std::string direction;  // in, forward, out; else any of them is taken for possible
    FirewallPlace place;    // what the kernel said of where it was dropped
    FirewallPacket packet;
};

// A rule that leads a packet away from its chain (goto, return) though a rule behind it would let it through.
struct Detour {
    std::string rule_id;
    std::string passed_over_id;  // the rule that surely would; empty where one behind it can have
};

class FirewallVerdict {
  public:
    struct Suspect {
        std::string rule_id;  // firewall_rules.id
        Outcome::Kind how = Outcome::Kind::drop;
        bool sure = false;  // every comparison on the way to it and in it is decided
        bool gone = false;  // it was in force when last read but one, and is no more
        // What the rule's counter counted in the time that is looked at, where it counts just what the rule
        // drops.
        std::optional<std::int64_t> counted;
        std::vector<SetElement> elements;  // of sets that its match rests on
        std::optional<Detour> detour;      // on the way to it, in the base chain that it is of or led to it
        // Of a policy: the first rule that can lead the packet away from the chain, so that what is added
        // behind it decides nothing; empty where there is none.
        std::string first_exit_id;
    };
    struct Suspects {
        std::vector<Suspect> all;
        // The counters said of every suspect that it did nothing; `all` is what the walk gives without them.
        bool contradicted = false;
    };

    // `rules`: rows of firewall_rules, copied; `past`: of past_firewall_rules, or null.
    explicit FirewallVerdict(const Relation& rules, const Relation* past = nullptr);
    FirewallVerdict(FirewallVerdict&&) noexcept;
    FirewallVerdict& operator=(FirewallVerdict&&) noexcept;
    ~FirewallVerdict();

    Suspects suspects(const DroppedPacket& packet) const;
    // Whether the rule drops every packet that goes the same way between the same ports: nothing that differs
    // from packet to packet (length, flags, limits, an invalid state) is asked on the way to it.
    bool drops_all_alike(const DroppedPacket& packet, const std::string& rule_id) const;
    // Whether it drops the answers to such packets in the same way; not known of one of which nothing is said.
    bool drops_answers_alike(const DroppedPacket& packet, const std::string& rule_id) const;
    // Whether some table of iptables-legacy or of nftables in that namespace has a base chain at all.
    bool has_rules(std::uint32_t netns) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace waggle::facts
