// SPDX-License-Identifier: Apache-2.0
// DropCauses: the relation `drop_causes`, which says of the packets dropped in the window what dropped them
// and by which evidence. One row is one cause and all that it dropped; what no cause is found for is grouped
// by place and reason. Rules turn rows into words and decide nothing.
//
// Suspicion is not guilt. A firewall rule is convicted by its own counter, where that moved as the drops did;
// or where the kernel says that nftables dropped the packet at that hook, and every other rule and chain
// there cannot have. A rule whose counter stood still, or counted a part only, is not named. What else drops
// under the same reason (BPF programs, connection tracking) is looked at first.
//
// Pure over the store's tables, so a replay agrees. Not thread-safe.
#pragma once

#include "agent/drops/drop_relation.h"

namespace waggle::agent {

class DropCauses final : public DropRelation {
  public:
    using DropRelation::DropRelation;

    static const Schema& causes_schema();
    const Schema& schema() const override { return causes_schema(); }

  protected:
    std::size_t budget_bytes() const override { return std::size_t{4} << 20; }
    void fill(DropMoment& moment, Table& table) const override;
};

// This relation and rewritten_flows: what is worked out of drops.
std::vector<const Schema*> drop_schemas();
// Both, over the store's own tables.
Result<void> add_drop_causes(Store& store);

}  // namespace waggle::agent
