// SPDX-License-Identifier: Apache-2.0
// The way of a packet through the rules of policy routing and their tables, as the kernel goes it.
//
// Pure. Source: fib_rules_lookup() and fib4_rule_match() of the kernel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/drops/drop_rows.h"

namespace waggle::agent {

// What decides about a packet: a rule that drops, or a route; neither where nothing fits.
struct RoutingDecision {
    const RoutingRule* rule = nullptr;
    const Route* route = nullptr;

    bool operator==(const RoutingDecision&) const = default;
};

bool drops(const Route& route);

// Rules in the order they are asked, those of one family; the routes are of the same network namespace. Nothing where it
// hangs on what the drop does not tell.
std::optional<RoutingDecision> decide_routing(const std::vector<RoutingRule>& rules,
                                              const std::vector<Route>& routes, const Drop& drop);

}  // namespace waggle::agent
