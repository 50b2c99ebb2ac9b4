// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/text.h"
#include "facts/firewall/testing/test_packet.h"
#include "facts/testing/fact_rows.h"

namespace waggle::facts {
namespace {

std::vector<FactRow> rows_of(const std::vector<FirewallRule>& rules) {
    std::vector<FactRow> rows;
    emit_firewall_rules(7, rules, [&](const Row& row) { rows.push_back(fact_row(row)); });
    return rows;
}

std::vector<FactRow> nft_rows(const std::string& name) { return rows_of(ruleset(name)); }

TEST(FirewallRules, an_nft_rule_has_its_handle_text_counters_and_place) {
    const FactRow row = only_row(nft_rows("host"), {{"id", "7/nftables/inet/fw/input/14"}});
    EXPECT_EQ(row.at("rule"), "ip saddr @blocked counter drop");
    EXPECT_EQ(row.at("verdict"), "drop");
    EXPECT_EQ(row.at("hook"), "input");
    EXPECT_EQ(row.at("policy"), "drop");
    EXPECT_EQ(row.at("packets"), "0");
    EXPECT_EQ(row.at("position"), "5");
    EXPECT_NE(row.at("expression").find("198.51.100.7"), std::string::npos) << "the set goes along";
}

TEST(FirewallRules, a_rule_without_counter_has_unknown_counts) {
    const FactRow row = only_row(nft_rows("host"), {{"id", "7/nftables/inet/fw/input/15"}});
    EXPECT_FALSE(row.contains("packets"));
    EXPECT_FALSE(row.contains("bytes"));
}

TEST(FirewallRules, a_comment_that_looks_like_a_handle_stays_in_the_text) {
    const FactRow row = only_row(nft_rows("host"), {{"id", "7/nftables/inet/fw/input/19"}});
    EXPECT_EQ(row.at("rule"), "tcp dport 7777 counter drop comment \"no # handle 3 here\"");
}

TEST(FirewallRules, a_policy_is_a_row_of_its_own_behind_the_last_rule) {
    const auto rows = nft_rows("host");
    const FactRow row = only_row(rows, {{"handle", "0"}});
    EXPECT_EQ(row.at("rule"), "policy drop");
    EXPECT_EQ(row.at("chain"), "input");
    EXPECT_EQ(row.at("position"), "18");
}

TEST(FirewallRules, every_rule_has_its_words) {
    for (const std::string name : {"host", "layers", "doubt"})
        for (const FactRow& row : nft_rows(name)) EXPECT_NE(row.at("rule"), "") << row.at("id");
}

TEST(FirewallRules, a_dormant_table_filters_nothing_and_is_left_out) {
    const auto rows = nft_rows("layers");
    EXPECT_FALSE(rows.empty());
    for (const FactRow& row : rows) EXPECT_NE(row.at("table_name"), "sleeping");
}

TEST(FirewallRules, a_rule_over_several_lines_is_one_text) {
    const auto rules = parse_nft_ruleset(
        R"({"nftables": [{"chain": {"family": "ip", "table": "t", "name": "c", "handle": 1}},
            {"rule": {"family": "ip", "table": "t", "chain": "c", "handle": 4, "expr": [{"drop": null}]}}]})",
        "table ip t { # handle 1\n\tchain c { # handle 1\n\t\ttcp dport { 1, 2,\n\t\t\t     3 } drop # "
        "handle 4\n\t}\n}\n");
    ASSERT_TRUE(rules);
    ASSERT_EQ(rules->size(), 1u);
    EXPECT_EQ(rules->front().rule, "tcp dport { 1, 2, 3 } drop");
}

TEST(FirewallRules, text_that_is_no_ruleset_is_an_error_and_never_more) {
    for (const std::string bad :
         {"", "null", "[]", "{}", "{\"nftables\": 3}", "{\"nftables\": [", "\xff\xfe"})
        EXPECT_FALSE(parse_nft_ruleset(bad, "")) << bad;
}

TEST(FirewallRules, a_ruleset_cut_or_bent_anywhere_is_read_as_far_as_it_goes) {
    const std::string json(trim(recorded("host.json")));
    for (std::size_t cut = 0; cut < json.size(); cut += 7)
        EXPECT_FALSE(parse_nft_ruleset(json.substr(0, cut), ""));
    for (std::size_t at = 0; at < json.size(); at += 41)
        for (const char with : {'0', '"', '[', '{', 'x'}) {
            std::string bent = json;
            bent[at] = with;
            const auto rules = parse_nft_ruleset(bent, "");
            if (rules) rows_of(*rules);
        }
    // Right JSON of the wrong shape.
    for (const std::string entry : {"3", "null", "[]", "{}", R"({"rule": 3})", R"({"rule": {"expr": 3}})",
                                    R"({"rule": {"handle": "x", "expr": [3, null, {}, {"vmap": 3}]}})",
                                    R"({"chain": {"name": 3, "prio": "x", "dev": 4}})",
                                    R"({"set": {"name": "s", "elem": 3}})", R"({"table": {"flags": 3}})"})
        EXPECT_TRUE(parse_nft_ruleset("{\"nftables\": [" + entry + "]}", "")) << entry;
}

TEST(FirewallRules, iptables_rules_are_numbered_in_their_chain) {
    const auto rows = rows_of(parse_iptables_save("ip", recorded("iptables.save")));
    const FactRow row = only_row(rows, {{"id", "7/iptables-legacy/ip/filter/INPUT/3"}});
    EXPECT_EQ(row.at("rule"),
              R"(-A INPUT -p tcp -m tcp --dport 7777 -m comment --comment "a -p \"b\"" -j DROP)");
    EXPECT_EQ(row.at("verdict"), "drop");
    EXPECT_EQ(row.at("hook"), "input");
    EXPECT_EQ(row.at("packets"), "0");
}

TEST(FirewallRules, iptables_targets_are_told_from_what_stands_in_quotes) {
    const auto rows = rows_of(parse_iptables_save("ip", recorded("iptables.save")));
    EXPECT_EQ(only_row(rows, {{"id", "7/iptables-legacy/ip/filter/LOGDROP/1"}}).at("verdict"), "LOG");
    EXPECT_EQ(only_row(rows, {{"id", "7/iptables-legacy/ip/filter/INPUT/5"}}).at("verdict"), "jump LOGDROP");
    EXPECT_EQ(only_row(rows, {{"id", "7/iptables-legacy/ip/filter/INPUT/8"}}).at("verdict"), "goto MINE");
}

TEST(FirewallRules, iptables_policies_carry_their_hook_priority_and_counts) {
    const auto rows = rows_of(parse_iptables_save("ip6", "*raw\n:PREROUTING DROP [12:720]\nCOMMIT\n"));
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].at("id"), "7/iptables-legacy/ip6/raw/PREROUTING/0");
    EXPECT_EQ(rows[0].at("priority"), "-300");
    EXPECT_EQ(rows[0].at("packets"), "12");
    EXPECT_EQ(rows[0].at("bytes"), "720");
}

TEST(FirewallRules, iptables_text_that_makes_no_sense_gives_no_rules) {
    for (const std::string bad :
         {"", ":", "*\n:\n", "[1:2] -A X -j DROP", "*t\n:C\n[", "*t\n: - [\n[0:0] -A \nCOMMIT"})
        EXPECT_TRUE(parse_iptables_save("ip", bad).empty()) << bad;
}

}  // namespace
}  // namespace waggle::facts
