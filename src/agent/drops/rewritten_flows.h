// SPDX-License-Identifier: Apache-2.0
// RewrittenFlows: the relation `rewritten_flows`, which says of dropped packets whose destination was rewritten
// before (DNAT, REDIRECT) where they were sent to, and which rule did it.
//
// That it was done is shown by the packet's own connection, where the kernel still had it with the packet. A
// rule is named where it is the only one that sends packets there and fits. On other machines than the one that
// dropped them (other network namespaces here) only rules and their counters are left to see: then the row holds
// the rule, and not where the packets were sent to.
//
// Pure over the store's tables, so a replay agrees. Not thread-safe.
#pragma once

#include "agent/drops/drop_relation.h"

namespace waggle::agent {

class RewrittenFlows final : public DropRelation {
  public:
    using DropRelation::DropRelation;

    static const Schema& flows_schema();
    const Schema& schema() const override { return flows_schema(); }

  protected:
    std::size_t budget_bytes() const override { return std::size_t{1} << 20; }
    void fill(DropMoment& moment, Table& table) const override;
};

}  // namespace waggle::agent
