// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/routing_walk.h"

#include "facts/firewall/firewall_packet.h"

namespace waggle::agent {
namespace {

enum class Fits { no, yes, unknown };

Fits fits(bool does) { return does ? Fits::yes : Fits::no; }

Fits both(Fits a, Fits b) {
    if (a == Fits::no || b == Fits::no) return Fits::no;
    return a == Fits::unknown || b == Fits::unknown ? Fits::unknown : Fits::yes;
}

Fits fits_network(const std::string& address, const waggle_address& network, unsigned bits) {
    if (network.family == 0) return Fits::yes;
    const waggle_address known = facts::parse_address(address);
    return known.family == 0 ? Fits::unknown : fits(facts::in_prefix(known, network, bits));
}

// The mark of those that were seen singly, where all of them had the same.
Fits fits_mark(const RoutingRule& rule, const Drop& drop) {
    if (drop.samples.empty()) return Fits::unknown;
    std::optional<bool> does;
    for (const DropSample& sample : drop.samples) {
        if (!sample.packet.packet.mark) return Fits::unknown;
        const bool fits_this = (*sample.packet.packet.mark & rule.mark_mask) == rule.mark;
        if (does && *does != fits_this) return Fits::unknown;
        does = fits_this;
    }
    return fits(*does);
}

// Of what is forwarded the kernel asks as user 0, and for no device to send by.
Fits fits_rule(const RoutingRule& rule, const Drop& drop) {
    const bool from_here = drop.direction == "out";
    Fits all = both(fits_network(drop.source, rule.source, rule.source_bits),
                    fits_network(drop.destination, rule.destination, rule.destination_bits));
    if (!rule.in_device.empty()) {
        const Fits by = from_here             ? fits(rule.in_device == "lo")
                        : drop.device.empty() ? Fits::unknown
                                              : fits(rule.in_device == drop.device);
        all = both(all, by);
    }
    if (!rule.out_device.empty()) all = both(all, from_here ? Fits::unknown : Fits::no);
    if (rule.uid_from) all = both(all, from_here ? Fits::unknown : fits(*rule.uid_from == 0));
    if (!rule.protocol.empty())
        all = both(all, drop.protocol.empty() ? Fits::unknown : fits(rule.protocol == drop.protocol));
    if (rule.port_from)
        all = both(all, !drop.has_port() ? Fits::unknown
                                         : fits(drop.port >= *rule.port_from && drop.port <= *rule.port_to));
    if (rule.mark_mask != 0) all = both(all, fits_mark(rule, drop));
    if (rule.is_partly_known) all = both(all, Fits::unknown);
    if (!rule.inverted || all == Fits::unknown) return all;
    return fits(all == Fits::no);
}

// The most specific of a table; of equal ones the first, as the kernel lists them.
const Route* best_route(const std::vector<Route>& routes, std::int64_t table, const waggle_address& to) {
    const Route* best = nullptr;
    for (const Route& route : routes)
        if (route.table == table && facts::in_prefix(to, route.network, route.bits) &&
            (!best || route.bits > best->bits))
            best = &route;
    return best;
}

}  // namespace

bool drops(const Route& route) {
    return route.kind == "blackhole" || route.kind == "unreachable" || route.kind == "prohibit";
}

std::optional<RoutingDecision> decide_routing(const std::vector<RoutingRule>& rules,
                                              const std::vector<Route>& routes, const Drop& drop) {
    const waggle_address to = facts::parse_address(drop.destination);
    if (to.family == 0) return {};
    std::optional<std::int64_t> jump_to;  // the priority a goto leads to; always a higher one
    for (const RoutingRule& rule : rules) {
        if (jump_to && rule.priority < *jump_to) continue;
        jump_to.reset();
        const Fits does = fits_rule(rule, drop);
        if (does == Fits::no || rule.action == "nop") continue;
        if (rule.action == "table") {
            // One that compares more can also look in another table than it says (l3mdev).
            if (rule.table == 0) return {};
            const Route* route = best_route(routes, rule.table, to);
            const bool passed_over = rule.suppressed_length && route && !drops(*route) &&
                                     route->bits <= static_cast<unsigned>(*rule.suppressed_length);
            if (!route || route->kind == "throw" || passed_over) continue;
            if (does == Fits::unknown) return {};
            return RoutingDecision{nullptr, route};
        }
        if (does == Fits::unknown) return {};
        if (rule.action == "goto") {
            jump_to = rule.go_to;
            continue;
        }
        return RoutingDecision{&rule, nullptr};
    }
    return RoutingDecision{};
}

}  // namespace waggle::agent
