// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "facts/firewall_rule.h"
#include "facts/makers.h"
#include "facts/netns.h"
#include "facts/put.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

struct firewall_rule_fact {
    waggle_text id;
    __u32 netns;
    __s32 priority;
    char backend[16];
    char family[8];
    waggle_text table_name;
    waggle_text chain;
    char hook[16];
    char policy[8];
    __u64 handle;
    __u32 position;
    __u32 reserved;
    waggle_text rule;
    waggle_text verdict;
    __s64 packets;
    __s64 bytes;
    waggle_text expression;
};

constexpr Field fields[] = {
    WAGGLE_FIELD(firewall_rule_fact, id, Unit::none,
                 "Its name among all rules: netns/backend/family/table/chain/handle.", trait_key),
    WAGGLE_FIELD(firewall_rule_fact, netns, Unit::identifier, "The network namespace by its number."),
    WAGGLE_FIELD(firewall_rule_fact, backend, Unit::none,
                 "nftables (also what iptables-nft writes) or iptables-legacy."),
    WAGGLE_FIELD(firewall_rule_fact, family, Unit::none,
                 "Which packets its table sees: ip, ip6, inet (both), netdev, bridge, arp."),
    WAGGLE_FIELD(firewall_rule_fact, table_name, Unit::none, "The table it is in."),
    WAGGLE_FIELD(firewall_rule_fact, chain, Unit::none, "The chain it is in."),
    WAGGLE_FIELD(firewall_rule_fact, hook, Unit::none,
                 "Where packets enter the chain: ingress, prerouting, input, forward, output, postrouting; "
                 "empty for chains that are only jumped to."),
    WAGGLE_FIELD(firewall_rule_fact, priority, Unit::none, "Chains of one hook run from low to high.",
                 trait_hidden),
    WAGGLE_FIELD(firewall_rule_fact, policy, Unit::none,
                 "What the chain does with a packet that no rule decides.", trait_hidden),
    WAGGLE_FIELD(firewall_rule_fact, handle, Unit::identifier,
                 "nftables: the rule's handle; iptables-legacy: its number in the chain; 0: the policy."),
    WAGGLE_FIELD(firewall_rule_fact, position, Unit::none, "1 = the chain's first rule.", trait_hidden),
    WAGGLE_FIELD(firewall_rule_fact, rule, Unit::none, "The rule as its tool prints it; or policy drop."),
    WAGGLE_FIELD(
        firewall_rule_fact, verdict, Unit::none,
        "What it does: accept, drop, reject, return, jump CHAIN, goto CHAIN ...; empty: it goes on."),
    WAGGLE_FIELD(firewall_rule_fact, packets, Unit::count,
                 "Packets it has matched; null where the rule has no counter.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(firewall_rule_fact, bytes, Unit::bytes,
                 "Bytes it has matched; null where the rule has no counter.",
                 trait_cumulative | trait_nullable),
    WAGGLE_FIELD(firewall_rule_fact, expression, Unit::none,
                 "What it compares, as JSON, with the sets it names (nftables).", trait_hidden),
};
constexpr Schema firewall_rule_schema = {
    "firewall_rules", "A firewall rule, or a chain's policy, that is in force in any network namespace.",
    sizeof(firewall_rule_fact), fields, false};

class FirewallRules final : public Fact {
  public:
    explicit FirewallRules(const Roots& roots) : roots_(roots) {}
    const Schema& schema() const override { return firewall_rule_schema; }

    Result<void> read(const RowSink& sink) override {
        return in_each_network_namespace(roots_, [&](const NetworkNamespace& netns) -> Result<void> {
            const auto nft = read_nft_rules();
            if (nft) emit_firewall_rules(netns.inode, *nft, sink);
            const auto iptables = read_iptables_rules(roots_.proc);
            if (iptables) emit_firewall_rules(netns.inode, *iptables, sink);
            const std::string where = fmt::format("network namespace {}", netns.inode);
            if (!nft) return while_doing(where, nft.error());
            if (!iptables) return while_doing(where, iptables.error());
            return {};
        });
    }

  private:
    Roots roots_;
};

}  // namespace

const Schema& firewall_rules_schema() { return firewall_rule_schema; }

void emit_firewall_rules(std::uint32_t netns, const std::vector<FirewallRule>& rules, const RowSink& sink) {
    RecordWriter<firewall_rule_fact> record;
    for (const FirewallRule& rule : rules) {
        record.clear();
        record.text(&firewall_rule_fact::id, fmt::format("{}/{}/{}/{}/{}/{}", netns, rule.backend,
                                                         rule.family, rule.table, rule.chain, rule.handle));
        record.fixed.netns = netns;
        record.fixed.priority = rule.priority;
        put(record.fixed.backend, rule.backend);
        put(record.fixed.family, rule.family);
        record.text(&firewall_rule_fact::table_name, rule.table);
        record.text(&firewall_rule_fact::chain, rule.chain);
        put(record.fixed.hook, rule.hook);
        put(record.fixed.policy, rule.policy);
        record.fixed.handle = rule.handle;
        record.fixed.position = rule.position;
        record.text(&firewall_rule_fact::rule, rule.rule);
        record.text(&firewall_rule_fact::verdict, rule.verdict);
        record.fixed.packets = rule.packets;
        record.fixed.bytes = rule.bytes;
        record.text(&firewall_rule_fact::expression, rule.expression);
        sink(Row(firewall_rule_schema, record.finish()));
    }
}

std::unique_ptr<Fact> make_firewall_rules(const Roots& roots) {
    return std::make_unique<FirewallRules>(roots);
}

}  // namespace waggle::facts
