// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/put.h"
#include "facts/firewall/firewall_rule.h"
#include "facts/makers.h"
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

constexpr Field firewall_rules_fields[] = {
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
    sizeof(firewall_rule_fact), firewall_rules_fields, false};

// The same record without counts: those of a rule that is gone are not known.
constexpr Field past_rule_fields[] = {
    WAGGLE_FIELD(firewall_rule_fact, id, Unit::none,
                 "Its name among all rules: netns/backend/family/table/chain/handle.", trait_key),
    WAGGLE_FIELD(firewall_rule_fact, netns, Unit::identifier, "The network namespace by its number."),
    WAGGLE_FIELD(firewall_rule_fact, backend, Unit::none, "nftables or iptables-legacy."),
    WAGGLE_FIELD(firewall_rule_fact, family, Unit::none, "Which packets its table saw."),
    WAGGLE_FIELD(firewall_rule_fact, table_name, Unit::none, "The table it was in."),
    WAGGLE_FIELD(firewall_rule_fact, chain, Unit::none, "The chain it was in."),
    WAGGLE_FIELD(firewall_rule_fact, hook, Unit::none, "Where packets entered the chain."),
    WAGGLE_FIELD(firewall_rule_fact, priority, Unit::none, "Chains of one hook run from low to high.",
                 trait_hidden),
    WAGGLE_FIELD(firewall_rule_fact, policy, Unit::none, "The chain's policy.", trait_hidden),
    WAGGLE_FIELD(firewall_rule_fact, handle, Unit::identifier,
                 "nftables: the rule's handle; iptables-legacy: its number in the chain; 0: the policy."),
    WAGGLE_FIELD(firewall_rule_fact, position, Unit::none, "1 = the chain's first rule.", trait_hidden),
    WAGGLE_FIELD(firewall_rule_fact, rule, Unit::none, "The rule as its tool printed it."),
    WAGGLE_FIELD(firewall_rule_fact, verdict, Unit::none, "What it did."),
    WAGGLE_FIELD(firewall_rule_fact, expression, Unit::none, "What it compared, as JSON.", trait_hidden),
};
constexpr Schema past_rule_schema = {"past_firewall_rules",
                                     "A firewall rule that was in force when firewall_rules was read before, "
                                     "and is no more, or not so: its sets hold something else now.",
                                     sizeof(firewall_rule_fact), past_rule_fields, false};
constexpr std::size_t most_gone = 4096;

std::string id_of(std::uint32_t netns, const FirewallRule& rule) {
    return fmt::format("{}/{}/{}/{}/{}/{}", netns, rule.backend, rule.family, rule.table, rule.chain,
                       rule.handle);
}

void emit(const Schema& schema, std::uint32_t netns, const FirewallRule& rule,
          RecordWriter<firewall_rule_fact>& record, const RowSink& sink) {
    record.clear();
    record.text(&firewall_rule_fact::id, id_of(netns, rule) + (&schema == &past_rule_schema ? "/gone" : ""));
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
    sink(Row(schema, record.finish()));
}

}  // namespace

// What it is known by from one reading to the next. iptables-legacy has no handles, and its numbers change
// with every rule before it; there it is the words.
std::string FirewallMemory::identity(const FirewallRule& rule) {
    if (rule.backend == "nftables")
        return fmt::format("{} {} {} {}", rule.family, rule.table, rule.chain, rule.handle);
    return fmt::format("legacy {} {} {} {}", rule.family, rule.table, rule.chain, rule.rule);
}

namespace {

// What a quota has used stands behind it only where that is more than nothing, with a unit that grows with it.
std::string without_used_quota(std::string expression) {
    constexpr std::string_view first = "\"used\":", last = "\"used_unit\":\"";
    for (std::size_t at = 0; (at = expression.find(first, at)) != std::string::npos;) {
        const std::size_t unit = expression.find(last, at);
        const std::size_t end = unit == std::string::npos ? unit : expression.find("\",", unit + last.size());
        if (end == std::string::npos) break;
        expression.erase(at, end + 2 - at);
    }
    return expression;
}

// The expression without what changes by itself: counts, and how long an element still lives.
std::string lasting_part(const std::string& whole) {
    // Elements with a time-out, or added by rules, come and go; the walk takes that for possible anyhow.
    if (whole.find("\"fleeting\"") != std::string::npos) return {};
    const std::string expression = without_used_quota(whole);
    std::string kept;
    for (std::size_t i = 0; i < expression.size();) {
        bool number = false;
        for (const std::string_view key : {"\"packets\":", "\"bytes\":", "\"expires\":"})
            if (expression.compare(i, key.size(), key) == 0) {
                i += key.size();
                number = true;
            }
        if (!number) {
            kept += expression[i++];
            continue;
        }
        while (i < expression.size() && expression[i] >= '0' && expression[i] <= '9') ++i;
    }
    return kept;
}

bool is_same(const FirewallRule& a, const FirewallRule& b) {
    return a.rule == b.rule && lasting_part(a.expression) == lasting_part(b.expression);
}

}  // namespace

void FirewallMemory::see(std::uint32_t netns, const std::vector<FirewallRule>& rules) {
    std::map<std::string, FirewallRule> now;
    for (const FirewallRule& rule : rules) now.emplace(identity(rule), rule);
    Rules& gone = gone_[netns];
    Rules& before = before_[netns];
    const auto is_here = [&](const Rules::value_type& entry) {
        const auto still = now.find(entry.first);
        return still != now.end() && is_same(still->second, entry.second);
    };
    for (auto& entry : before)
        if (!is_here(entry) && gone.size() < most_gone) gone.emplace(entry.first, std::move(entry.second));
    std::erase_if(gone, is_here);  // it is back
    before = std::move(now);
}

namespace {

class FirewallRules final : public NamespaceFact {
  public:
    FirewallRules(const Roots& roots, std::shared_ptr<FirewallMemory> memory)
        : NamespaceFact(roots), memory_(std::move(memory)) {}
    const Schema& schema() const override { return firewall_rule_schema; }

    Result<void> read_in(const NetworkNamespace& netns, const RowSink& sink) override {
        const auto nft = read_nft_rules();
        if (nft) emit_firewall_rules(netns.inode, *nft, sink);
        const auto iptables = read_iptables_rules(roots_.proc);
        if (nft && iptables) {
            std::vector<FirewallRule> all = *nft;
            all.insert(all.end(), iptables->begin(), iptables->end());
            memory_->see(netns.inode, all);
        }
        if (iptables) emit_firewall_rules(netns.inode, *iptables, sink);
        const std::string where = fmt::format("network namespace {}", netns.inode);
        if (!nft) return while_doing(where, nft.error());
        if (!iptables) return while_doing(where, iptables.error());
        return {};
    }

  private:
    std::shared_ptr<FirewallMemory> memory_;
};

class PastFirewallRules final : public Fact {
  public:
    explicit PastFirewallRules(std::shared_ptr<FirewallMemory> memory) : memory_(std::move(memory)) {}
    const Schema& schema() const override { return past_rule_schema; }
    Result<void> read(const RowSink& sink) override {
        RecordWriter<firewall_rule_fact> record;
        for (const auto& [netns, rules] : memory_->gone())
            for (const auto& [key, rule] : rules) emit(past_rule_schema, netns, rule, record, sink);
        return {};
    }

  private:
    std::shared_ptr<FirewallMemory> memory_;
};

}  // namespace

const Schema& firewall_rules_schema() { return firewall_rule_schema; }

void emit_firewall_rules(std::uint32_t netns, const std::vector<FirewallRule>& rules, const RowSink& sink) {
    RecordWriter<firewall_rule_fact> record;
    for (const FirewallRule& rule : rules) emit(firewall_rule_schema, netns, rule, record, sink);
}

std::shared_ptr<FirewallMemory> make_firewall_memory() { return std::make_shared<FirewallMemory>(); }
std::unique_ptr<Fact> make_firewall_rules(const Roots& roots, std::shared_ptr<FirewallMemory> memory) {
    return std::make_unique<FirewallRules>(roots, std::move(memory));
}
std::unique_ptr<Fact> make_past_firewall_rules(const Roots&, std::shared_ptr<FirewallMemory> memory) {
    return std::make_unique<PastFirewallRules>(std::move(memory));
}

}  // namespace waggle::facts
