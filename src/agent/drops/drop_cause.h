// SPDX-License-Identifier: Apache-2.0
// DropCause: one row of drop_causes before it is written, and the two judges that make them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/drops/derived_rows.h"
#include "agent/drops/drop_rows.h"
#include "facts/firewall/firewall_verdict.h"

namespace waggle::agent {

using DropCause = DerivedRow;

// Figures of a group of drops, each said of the whole group: what all have in common, or how many there are
// of it and which of them has the most, with its own figure.
class DropGroup {
  public:
    void add(const Drop& drop) { drops_.push_back(&drop); }
    bool empty() const { return drops_.empty(); }
    const std::vector<const Drop*>& drops() const { return drops_; }
    std::int64_t packets() const;
    double packets_per_second(double window_seconds) const;
    std::size_t senders() const;
    // Many senders with a few packets each, to many ports or addresses: what the Internet does to every
    // machine.
    bool is_scattered() const;
    // packets, bytes, packets_per_second, senders, source, top_source …, netns, direction, device, protocol.
    void describe(DropCause& cause, double window_seconds) const;
    // The service of this machine that all of it belongs to, if it is one; and where nothing on this machine
    // shows that any of it came through, that its senders are cut off.
    void name_owner(DropCause& cause, const DropScene& scene) const;
    bool asks_for_the_way() const;       // all goes to the ports of traceroute
    bool has_repeated_try() const;       // the same connection was tried again
    bool is_steady() const;              // one sender lost something second by second
    bool waits_for_a_neighbour() const;  // and loses each try to connect while it is asked for

  private:
    void describe_talk(DropCause& cause) const;
    bool is_cut_off(const DropScene& scene) const;

    std::vector<const Drop*> drops_;
};

struct DropInquiry {
    const DropTables& tables;
    const DropScene& scene;
    double window_seconds;
};

// Of those that netfilter dropped; the rest.
void judge_firewall(const DropInquiry& inquiry, std::vector<DropCause>& causes);
void judge_others(const DropInquiry& inquiry, std::vector<DropCause>& causes);

// The next machine was asked for. Where the table has no room for it (NEIGH_CREATEFAIL), nobody is asked.
inline bool is_of_a_neighbour(std::string_view reason) {
    return reason.starts_with("NEIGH") && reason != "NEIGH_CREATEFAIL";
}

// Whether somebody lost something with it that no other rule tells of.
bool is_loss(const Drop& drop, const DropScene& scene);
// Sweeps over addresses behind this machine that nobody has; somebody who asks for the way (traceroute, mtr), which
// takes packets that end here on purpose.
bool is_noise(const DropGroup& group, double window_seconds);

// What drop_causes says at least: ten packets and one a second, or three where a connection was tried again, or one
// sender that loses one each second.
bool is_enough(const DropGroup& group, double window_seconds);

}  // namespace waggle::agent
