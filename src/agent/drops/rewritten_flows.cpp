// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/rewritten_flows.h"

#include <map>
#include <tuple>

#include "agent/drops/derived_rows.h"
#include "facts/firewall/firewall_match.h"
#include "facts/firewall/nat_target.h"

namespace waggle::agent {
namespace {

using column::number;
using column::text;
constexpr DerivedColumn flow_columns[] = {
    {"netns", number, Unit::identifier, "The network namespace that dropped them, by its number."},
    {"protocol", text, Unit::none, "tcp or udp."},
    {"destination", text, Unit::none, "The address they were for when they were dropped."},
    {"port", number, Unit::identifier, "And the port."},
    {"original_destination", text, Unit::none,
     "The address they were sent to; null where that is not known, or several."},
    {"original_port", number, Unit::identifier, "And the port."},
    {"nat_netns", number, Unit::identifier, "The network namespace of the rule that rewrites."},
    {"nat_backend", text, Unit::none, "nftables or iptables-legacy."},
    {"nat_family", text, Unit::none, "The family of the rule's table."},
    {"nat_table", text, Unit::none, "Its table."},
    {"nat_chain", text, Unit::none, "Its chain."},
    {"nat_handle", number, Unit::identifier, "nftables: its handle."},
    {"nat_number", number, Unit::identifier, "iptables-legacy: its number in its chain."},
    {"nat_rule", text, Unit::none, "The rule as its tool prints it."},
    {"nat_packets", number, Unit::count,
     "What the rule's own counter counted in that time: the first packet of each connection."},
};

const std::vector<Field>& flow_fields() {
    static const std::vector<Field> all = derived_fields(flow_columns);
    return all;
}

struct NatRule {
    std::uint32_t netns = 0;
    std::string backend, family, table, chain, rule;
    std::int64_t handle = 0;
    std::optional<std::int64_t> counted;
    facts::NatTarget target;
    std::unique_ptr<facts::FirewallMatch> match;
};

std::vector<NatRule> nat_rules(const DropTables& tables) {
    std::vector<NatRule> rules;
    tables.each("firewall_rules", [&](const TableRow& row) {
        const std::string verdict = row.text("verdict");
        if (verdict != "dnat" && verdict != "redirect" && verdict != "DNAT" && verdict != "REDIRECT") return;
        const std::string rule = row.text("rule"), expression = row.text("expression");
        const std::string backend = row.text("backend");
        const auto target = facts::nat_target(backend, verdict, rule, expression);
        if (!target) return;
        rules.push_back({static_cast<std::uint32_t>(row.number_or_0("netns")), backend, row.text("family"),
                         row.text("table_name"), row.text("chain"), rule, row.number_or_0("handle"),
                         row.number("packets_delta"), *target,
                         backend == "nftables" ? facts::make_nft_match(expression, verdict)
                                               : facts::make_iptables_match(rule, expression)});
    });
    return rules;
}

// Where the packets of one goal were sent to.
struct Goal {
    bool rewritten = false;  // the kernel says so of some, and of none else
    bool unlike = false;     // of several they were sent to, or some were not rewritten
    waggle_address original{};
    std::string original_text;
    std::uint16_t original_port = 0;
    const Drop* drop = nullptr;
};

constexpr std::uint32_t ips_dst_nat = 1 << 5;

void note(Goal& goal, const facts::FirewallPacket& packet, const std::string& original) {
    if (!packet.ct_state || !packet.ct_status || !packet.original_port) return;
    if (packet.ct_reply.value_or(false)) return;
    const bool rewritten = (*packet.ct_status & ips_dst_nat) != 0;
    if (!rewritten || original.empty()) {
        goal.unlike = true;
        return;
    }
    if (goal.rewritten && (goal.original_text != original || goal.original_port != *packet.original_port))
        goal.unlike = true;
    goal.rewritten = true;
    goal.original = packet.original_destination;
    goal.original_text = original;
    goal.original_port = *packet.original_port;
}

// The packet as a rule with that target saw it, as far as it is known.
facts::FirewallPacket before_rewriting(const Goal& goal, const facts::NatTarget& target, bool is_here) {
    facts::FirewallPacket packet;
    if (is_here)
        packet.source = facts::parse_address(goal.drop->source);  // elsewhere it can be rewritten too
    packet.protocol = facts::protocol_number(goal.drop->protocol);
    // What the target does not name, the rule leaves as it was.
    if (target.is_whole && !target.port) packet.destination_port = goal.drop->port;
    if (target.is_whole && !target.here && !target.address.family)
        packet.destination = facts::parse_address(goal.drop->destination);
    if (goal.rewritten && !goal.unlike) {
        packet.destination = goal.original;
        packet.destination_port = goal.original_port;
    }
    if (is_here && !goal.drop->samples.empty() && goal.drop->direction != "out")
        packet.iif = goal.drop->samples.front().packet.packet.iif;
    return packet;
}

// Whether the rule fits the packets as they were before; where its goal is not in its words, it can be theirs.
bool can_have_rewritten(const NatRule& rule, const Goal& goal) {
    const Drop& drop = *goal.drop;
    const bool is_here = rule.netns == drop.netns;
    if (!is_here && (rule.target.here || !rule.target.address.family)) return false;
    const bool open = is_here && !rule.target.is_whole;
    if (!open && !facts::is_at(rule.target, facts::parse_address(drop.destination), drop.port)) return false;
    if (rule.counted && *rule.counted == 0) return false;
    for (const facts::Outcome& outcome :
         rule.match->evaluate(before_rewriting(goal, rule.target, is_here)).outcomes)
        if (outcome.happens != facts::Tri::no) return true;
    return false;
}

DerivedRow row_of(const Goal& goal, const NatRule* rule) {
    DerivedRow row;
    row["netns"] = static_cast<std::int64_t>(goal.drop->netns);
    row["protocol"] = goal.drop->protocol;
    row["destination"] = goal.drop->destination;
    row["port"] = static_cast<std::int64_t>(goal.drop->port);
    if (goal.rewritten && !goal.unlike) {
        row["original_destination"] = goal.original_text;
        row["original_port"] = static_cast<std::int64_t>(goal.original_port);
    }
    if (!rule) return row;
    row["nat_netns"] = static_cast<std::int64_t>(rule->netns);
    row["nat_backend"] = rule->backend;
    row["nat_family"] = rule->family;
    row["nat_table"] = rule->table;
    row["nat_chain"] = rule->chain;
    row[rule->backend == "nftables" ? "nat_handle" : "nat_number"] = rule->handle;
    row["nat_rule"] = rule->rule;
    if (rule->counted && *rule->counted > 0) row["nat_packets"] = *rule->counted;
    return row;
}

}  // namespace

const Schema& RewrittenFlows::flows_schema() {
    static const Schema schema = {
        "rewritten_flows",
        "Dropped packets whose destination a rule rewrote before (DNAT, REDIRECT), with the rule; or that a "
        "rule can have rewritten.",
        std::size(flow_columns) * derived_cell_size, flow_fields(), false};
    return schema;
}

void RewrittenFlows::fill(DropMoment& moment, Table& table) const {
    std::map<std::tuple<std::uint32_t, std::string, std::string, std::uint16_t>, Goal> goals;
    for (const Drop& drop : moment.scene().drops()) {
        if (!drop.has_port() || !drop.port) continue;
        Goal& goal = goals[{drop.netns, drop.protocol, drop.destination, drop.port}];
        if (!goal.drop) goal.drop = &drop;
        for (const DropSample& sample : drop.samples)
            note(goal, sample.packet.packet, sample.original_destination);
    }
    if (goals.empty()) return;
    const std::vector<NatRule> rules = nat_rules(moment.tables());
    for (const auto& [key, goal] : goals) {
        const NatRule* only = nullptr;
        std::size_t fitting = 0;
        for (const NatRule& rule : rules) {
            // What the kernel says of the packets' connections is said of the namespace that dropped them.
            const bool is_here = rule.netns == goal.drop->netns;
            if (is_here ? goal.unlike && !goal.rewritten : goal.rewritten) continue;
            if (moment.scene().joined(rule.netns) != moment.scene().joined(goal.drop->netns)) continue;
            if (!can_have_rewritten(rule, goal)) continue;
            only = rule.target.is_whole ? &rule : nullptr;
            ++fitting;
        }
        if (fitting != 1) only = nullptr;
        if (goal.rewritten || only) append_derived(row_of(goal, only), flow_columns, table);
    }
}

}  // namespace waggle::agent
