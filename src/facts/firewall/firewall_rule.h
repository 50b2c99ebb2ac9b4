// SPDX-License-Identifier: Apache-2.0
// FirewallRule: one rule, or one base chain's policy, of either backend, before it becomes a row.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "facts/fact.h"
#include "model/schema.h"
#include "waggle/result.h"

namespace waggle::facts {

struct FirewallRule {
    std::string backend;  // nftables, iptables-legacy
    std::string family;   // ip, ip6, inet, netdev, bridge, arp
    std::string table;
    std::string chain;
    std::string hook;  // of a base chain; empty for chains that are only jumped to
    std::int32_t priority = 0;
    std::string policy;          // of a base chain
    std::uint64_t handle = 0;    // nftables: the rule's; iptables: its number in the chain; 0 = the policy
    std::uint32_t position = 0;  // 1 = first in the chain; the policy comes after the last
    std::string rule;            // as the tool prints it, without counts
    std::string verdict;         // accept, drop, reject, return, jump X, goto X, vmap …; empty: goes on
    std::int64_t packets = null_i64;  // null_i64 = not counted
    std::int64_t bytes = null_i64;
    // nftables: {"expr": […], "sets": {…}}; a policy: {"devices": […]}; a rule of iptables-nft also
    // {"iptables": "-A …"}, its own tool's words; any that names ipsets {"ipsets": {…}}.
    std::string expression;
};

// nftables: `json` is `nft -n -j list ruleset`, `text` is `nft -a -s list ruleset`, which lends the rules
// their words. Dormant tables are left out: they filter nothing.
Result<std::vector<FirewallRule>> parse_nft_ruleset(std::string_view json, std::string_view text);
// Of this thread's network namespace, through libnftables. Empty where there are no tables.
Result<std::vector<FirewallRule>> read_nft_rules();

// `text` is iptables-legacy-save -c, or ip6tables-legacy-save -c with family "ip6".
std::vector<FirewallRule> parse_iptables_save(std::string_view family, std::string_view text);
// Of this thread's network namespace, through the tool. `proc` is where /proc is. Empty where no table is in
// use.
Result<std::vector<FirewallRule>> read_iptables_rules(const std::string& proc);

// What a rule of iptables-nft compares through extensions of its own ("xt"), nft does not say and
// iptables-nft does: such rules get its words, and have them in their expressions too. Of this thread's network namespace.
void give_iptables_words(std::vector<FirewallRule>& rules);
// Puts the ipsets that rules name into their expressions. Of this thread's network namespace.
void give_ipsets(std::vector<FirewallRule>& rules);
// `text` is `ipset save`; gives {NAME: {"type": …, "entries": […], "fleeting": true}} as JSON.
std::string parse_ipset_save(std::string_view text);

// Rows of the fact firewall_rules.
const Schema& firewall_rules_schema();
void emit_firewall_rules(std::uint32_t netns, const std::vector<FirewallRule>& rules, const RowSink& sink);

// Remembers the rules of one reading until the next, to tell which are gone since. Bounded.
class FirewallMemory {
  public:
    // `rules` of one namespace as they are now.
    void see(std::uint32_t netns, const std::vector<FirewallRule>& rules);
    // Rules that were in force once in this memory's life and are no more, by namespace.
    using Rules = std::map<std::string, FirewallRule>;
    const std::map<std::uint32_t, Rules>& gone() const { return gone_; }

  private:
    static std::string identity(const FirewallRule& rule);
    std::map<std::uint32_t, Rules> before_, gone_;
};

}  // namespace waggle::facts
