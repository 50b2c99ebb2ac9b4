// SPDX-License-Identifier: Apache-2.0
// FirewallVerdict: which rule drops a packet. Walks the rules of the fact firewall_rules as the kernel would,
// with three answers to every comparison (yes, no, not known), and names a rule only where just one can have
// done it. Pure: the same rows give the same answer, so a replay agrees.
//
// Not thread-safe: rules are made ready when first asked about.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/table.h"

namespace waggle::facts {

// A packet that a firewall dropped, as far as it is known; what is empty is not.
struct DroppedPacket {
    std::uint32_t netns = 0;
    std::string direction;            // in, forward, out; else any of them is taken for possible
    std::string iif, oif;             // names of the interfaces
    std::string source, destination;  // addresses
    std::string protocol;             // tcp, udp, icmp … or its number
    std::optional<std::uint16_t> source_port, destination_port;
    std::optional<std::uint8_t> tcp_flags;
    std::optional<std::uint32_t> length;  // of the IP packet, bytes
};

class FirewallVerdict {
  public:
    struct Answer {
        std::string rule_id;     // firewall_rules.id
        std::string confidence;  // "certain": every comparison had an answer; "only candidate": no other rule
                                 // can have dropped it, but not every comparison on the way was known
    };

    // `rules`: rows of firewall_rules, copied. Where they have the column packets_delta, and more than one
    // rule can have dropped a packet, those whose counter stood still in that time are acquitted.
    explicit FirewallVerdict(const Relation& rules);
    FirewallVerdict(FirewallVerdict&&) noexcept;
    FirewallVerdict& operator=(FirewallVerdict&&) noexcept;
    ~FirewallVerdict();

    // Nothing where no rule, or more than one, can have dropped it.
    std::optional<Answer> dropped_by(const DroppedPacket& packet) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace waggle::facts
