// SPDX-License-Identifier: Apache-2.0
// Of several rules that can have dropped a packet: which their counters acquit or convict, and what leads to them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/put.h"
#include "facts/firewall/firewall_match.h"
#include "facts/firewall/testing/test_packet.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

// The fact with the column that the agent adds.
struct counted_rule {
    waggle_text id, table_name, chain, rule, verdict, expression;
    __u32 netns;
    __u32 position;
    __u64 handle;
    __s64 packets_delta;
    char backend[16], family[8], hook[16], policy[8];
};
constexpr Field counted_fields[] = {
    WAGGLE_FIELD(counted_rule, id, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, table_name, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, chain, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, rule, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, verdict, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, expression, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, netns, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, position, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, handle, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, packets_delta, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, backend, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, family, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, hook, Unit::none, ""),
    WAGGLE_FIELD(counted_rule, policy, Unit::none, ""),
};
constexpr Schema counted_schema = {"firewall_rules", "", sizeof(counted_rule), counted_fields, false};

// `moved`: what its counter added in the time that is looked at.
void append_counted(const FirewallRule& rule, const std::string& id, std::int64_t moved, Table& table) {
    RecordWriter<counted_rule> record;
    record.text(&counted_rule::id, id);
    record.text(&counted_rule::table_name, rule.table);
    record.text(&counted_rule::chain, rule.chain);
    record.text(&counted_rule::rule, rule.rule);
    record.text(&counted_rule::verdict, rule.verdict);
    record.text(&counted_rule::expression, rule.expression);
    record.fixed.netns = netns;
    record.fixed.position = rule.position;
    record.fixed.handle = rule.handle;
    record.fixed.packets_delta = moved;
    put(record.fixed.backend, rule.backend);
    put(record.fixed.family, rule.family);
    put(record.fixed.hook, rule.hook);
    put(record.fixed.policy, rule.policy);
    table.append(Row(counted_schema, record.finish()));
}

TEST(FirewallVerdict, of_several_rules_those_whose_counter_stood_still_are_acquitted) {
    const auto verdict_when = [](std::int64_t others_moved, std::uint16_t port = 96) {
        Table table(counted_schema, 1u << 20);
        for (const FirewallRule& rule : ruleset("iptables"))
            append_counted(rule, rule.table + " " + rule.chain + " " + std::to_string(rule.handle),
                           rule.handle == 0 ? 5 : others_moved, table);
        const auto answer = dropped_by(FirewallVerdict(table), packet("udp", "192.0.2.1", port));
        return answer ? answer->rule_id + ", " + answer->confidence : "";
    };
    EXPECT_EQ(verdict_when(null_i64), "") << "a mark that is not known, or the policy";
    EXPECT_EQ(verdict_when(3), "");
    EXPECT_EQ(verdict_when(0), "filter INPUT 0, certain");
    // Where there is but one, it is named although its counter was read too late.
    EXPECT_EQ(verdict_when(0, 91), "filter INPUT 10, only candidate");
}

TEST(FirewallVerdict, a_rule_of_tproxy_can_drop_what_it_fits) {
    const auto match = make_iptables_match(
        "-A PREROUTING -p tcp -m tcp --dport 80 -j TPROXY --on-port 3129 --on-ip 0.0.0.0 --tproxy-mark "
        "0x1/0xffffffff");
    const auto can_drop = [&](std::uint16_t port) {
        FirewallPacket sent;
        sent.protocol = protocol_number("tcp");
        sent.destination_port = port;
        const auto outcomes = match->evaluate(sent).outcomes;
        return std::any_of(outcomes.begin(), outcomes.end(),
                           [](const Outcome& outcome) { return outcome.kind == Outcome::Kind::drop; });
    };
    EXPECT_TRUE(can_drop(80)) << "no program may listen at port 3129";
    EXPECT_FALSE(can_drop(81));
}

TEST(FirewallVerdict, rules_it_cannot_read_make_it_silent) {
    std::vector<FirewallRule> rules = ruleset("doubt");
    for (FirewallRule& rule : rules)
        if (rule.position == 1 && rule.handle != 0) rule.expression = "{";
    const Table table = table_of(rules);
    // The first rule of the chain, an accept, and of `maybe`, a drop, can now mean anything.
    EXPECT_EQ(name_of(table, dropped_by(FirewallVerdict(table), packet("udp", "192.0.2.1", 1006))),
              "doubt input: udp dport 1006 counter drop (only candidate)");
    EXPECT_EQ(name_of(table, dropped_by(FirewallVerdict(table), packet("udp", "192.0.2.1", 1008))), no_rule);
}

TEST(FirewallVerdict, chains_that_jump_in_circles_end) {
    auto rules =
        parse_iptables_save("ip",
                            "*filter\n:INPUT DROP [0:0]\n:A - [0:0]\n:B - [0:0]\n[0:0] -A INPUT -j A\n"
                            "[0:0] -A A -j B\n[0:0] -A B -j A\nCOMMIT\n");
    const Table table = table_of(rules);
    EXPECT_EQ(name_of(table, dropped_by(FirewallVerdict(table), packet("udp", "192.0.2.1", 1))),
              "filter INPUT: policy drop (only candidate)");
}

// Rules of iptables-save, with what each counted in the time that is looked at: {chain and number, packets}.
Table counted_table(const std::string& text, const std::map<std::string, std::int64_t>& counted) {
    Table table(counted_schema, 1u << 20);
    for (const FirewallRule& rule : parse_iptables_save("ip", text)) {
        const std::string id = rule.chain + " " + std::to_string(rule.handle);
        const auto found = counted.find(id);
        append_counted(rule, id, found == counted.end() ? null_i64 : found->second, table);
    }
    return table;
}

std::string suspects_of(const Table& table, const DroppedPacket& packet) {
    std::string names;
    const auto suspects = FirewallVerdict(table).suspects(packet);
    for (const auto& suspect : suspects.all) names += (names.empty() ? "" : ", ") + suspect.rule_id;
    return names + (suspects.contradicted ? " (contradicted)" : "");
}

constexpr auto two_markers =
    "*filter\n:INPUT DROP [0:0]\n[0:0] -A INPUT -p udp -m mark --mark 1 -j DROP\n"
    "[0:0] -A INPUT -m comment --comment all -j LOG\n[0:0] -A INPUT -p udp -m recent --rcheck -j "
    "DROP\nCOMMIT\n";

TEST(FirewallVerdict, an_unconditional_rule_that_counted_nothing_ends_the_walk) {
    const DroppedPacket p = packet("udp", "192.0.2.1", 5).dropped();
    EXPECT_EQ(suspects_of(counted_table(two_markers, {}), p), "INPUT 1, INPUT 3, INPUT 0");
    EXPECT_EQ(suspects_of(counted_table(two_markers, {{"INPUT 2", 0}}), p), "INPUT 1");
    EXPECT_EQ(suspects_of(counted_table(two_markers, {{"INPUT 1", 0}, {"INPUT 2", 9}, {"INPUT 3", 0}}), p),
              "INPUT 0");
}

TEST(FirewallVerdict, where_every_counter_stood_still_nobody_is_more_than_contradicted) {
    const DroppedPacket p = packet("udp", "192.0.2.1", 5).dropped();
    EXPECT_EQ(suspects_of(counted_table(two_markers, {{"INPUT 1", 0}, {"INPUT 2", 0}}), p),
              "INPUT 1, INPUT 3, INPUT 0 (contradicted)");
}

TEST(FirewallVerdict, what_the_kernel_said_of_the_packet_decides_marks_states_and_users) {
    const std::string rules =
        "*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -m mark --mark 0x7/0xff -j DROP\n"
        "[0:0] -A INPUT -m conntrack --ctstate INVALID -j DROP\n"
        "[0:0] -A INPUT -p udp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP\n"
        "[0:0] -A INPUT -m ttl --ttl-eq 3 -j DROP\n[0:0] -A INPUT -m mac --mac-source 02:00:00:00:00:01 -j "
        "DROP\nCOMMIT\n";
    const Table table = counted_table(rules, {});
    DroppedPacket p = packet("udp", "192.0.2.1", 5).dropped();
    p.packet.mark = 0;
    p.packet.ct_state = ct_new;
    p.packet.ct_reply = false;
    p.packet.original_port = 5;
    p.packet.ttl = 64;
    p.packet.mac = 0x020000000002;
    EXPECT_EQ(suspects_of(table, p), "");
    p.packet.mark = 0x107;
    EXPECT_EQ(suspects_of(table, p), "INPUT 1");
    p.packet.mark = 0;
    p.packet.original_port = 8080;
    EXPECT_EQ(suspects_of(table, p), "INPUT 3");
    p.packet.ct_state = ct_invalid;
    EXPECT_EQ(suspects_of(table, p), "INPUT 2");
    p.packet.ct_state = ct_new;
    p.packet.original_port = 5;
    p.packet.mac = 0x020000000001;
    EXPECT_EQ(suspects_of(table, p), "INPUT 5");
}

TEST(FirewallVerdict, an_ipset_names_its_entry_and_knows_its_exceptions) {
    auto rules = parse_iptables_save(
        "ip",
        "*filter\n:INPUT ACCEPT [0:0]\n[0:0] -A INPUT -m set --match-set bad src,dst -j DROP\nCOMMIT\n");
    rules[0].expression = R"({"ipsets": )" +
                          parse_ipset_save(
                              "create bad hash:net,port family inet\nadd bad 192.0.2.0/24,udp:5-9\nadd bad "
                              "192.0.2.64/26,udp:5-9 nomatch\n") +
                          "}";
    const Table table = table_of(rules);
    const auto hit = FirewallVerdict(table).suspects(packet("udp", "192.0.2.1", 6).dropped());
    ASSERT_EQ(hit.all.size(), 1u);
    ASSERT_EQ(hit.all[0].elements.size(), 1u);
    EXPECT_EQ(hit.all[0].elements[0].element, "192.0.2.0/24,udp:5-9");
    EXPECT_TRUE(hit.all[0].elements[0].ipset);
    for (const auto& [source, port] : {std::pair{"192.0.2.70", 6}, {"192.0.2.1", 10}, {"198.51.100.1", 6}})
        EXPECT_TRUE(FirewallVerdict(table)
                        .suspects(packet("udp", source, static_cast<std::uint16_t>(port)).dropped())
                        .all.empty())
            << source << " " << port;
}

TEST(FirewallVerdict, the_place_tells_which_tables_can_have_done_it) {
    const Table table = table_of(ruleset("layers"));
    DroppedPacket p = packet("udp", "192.0.2.1", 1900).dropped();
    const std::string nft[] = {"nft_do_chain_inet+0x1", "nf_hook_slow+0x2", "ip_local_deliver+0x3"};
    p.place = firewall_place("nft_do_chain+0x3e8 [nf_tables]", nft, true);
    EXPECT_EQ(p.place.who, FirewallPlace::Who::nftables);
    EXPECT_EQ(p.place.table_family, "inet");
    EXPECT_EQ(p.place.hook, "input");
    for (const auto& suspect : FirewallVerdict(table).suspects(p).all)
        EXPECT_EQ(suspect.rule_id.find("nftables/ip/early"), std::string::npos) << suspect.rule_id;
    const std::string other[] = {"ip_local_deliver+0x3"};
    p.place = firewall_place("nf_hook_slow+0x7d", other, true);
    EXPECT_EQ(p.place.who, FirewallPlace::Who::another);
    EXPECT_TRUE(FirewallVerdict(table).suspects(p).all.empty());
    p.place = firewall_place("nf_hook_slow+0x7d", other, false);
    EXPECT_EQ(p.place.who, FirewallPlace::Who::unknown);
}

// "goto 2 over 3, exit 2": the detour's rule, the rule that it passes over, and the policy's first exit, by their
// numbers in their chains.
std::string detour_of(const std::string& rules, const TestPacket& p) {
    const Table table = table_of(parse_iptables_save("ip", "*filter\n" + rules + "COMMIT\n"));
    const auto suspects = FirewallVerdict(table).suspects(p.dropped());
    if (suspects.all.size() != 1) return "no one suspect";
    const auto& only = suspects.all.front();
    const auto last = [](const std::string& id) {
        const auto words = split(id, '/');
        return words.size() < 2 ? "" : std::string(words[words.size() - 2]) + " " + std::string(words.back());
    };
    std::string text = last(only.rule_id);
    if (only.detour) text += ", " + last(only.detour->rule_id) + " over " + last(only.detour->passed_over_id);
    if (!only.first_exit_id.empty()) text += ", exit " + last(only.first_exit_id);
    return text;
}

TEST(FirewallVerdict, a_rule_that_leads_away_from_an_accept_is_told_with_it) {
    const TestPacket p = packet("tcp", "192.0.2.1", 9443);
    const std::string head = ":INPUT DROP [0:0]\n:SVC - [0:0]\n[0:0] -A SVC -p tcp --dport 22 -j ACCEPT\n";
    EXPECT_EQ(
        detour_of(head + "[0:0] -A INPUT -p tcp -g SVC\n[0:0] -A INPUT -p tcp --dport 9443 -j ACCEPT\n", p),
        "INPUT 0, INPUT 1 over INPUT 2, exit INPUT 1");
    EXPECT_EQ(detour_of(head + "[0:0] -A INPUT -p udp -j ACCEPT\n[0:0] -A INPUT -p tcp --dport 9000:9999 -j "
                               "RETURN\n[0:0] -A INPUT -j SVC\n[0:0] -A INPUT -p tcp -j ACCEPT\n",
                        p),
              "INPUT 0, INPUT 2 over INPUT 4, exit INPUT 2");
    // Out of a chain that is jumped to, the base chain goes on: what is added at its end is reached.
    EXPECT_EQ(
        detour_of(":INPUT DROP [0:0]\n:SVC - [0:0]\n[0:0] -A SVC -s 192.0.2.0/24 -j RETURN\n[0:0] -A SVC "
                  "-p tcp --dport 9443 -j ACCEPT\n[0:0] -A INPUT -p tcp -j SVC\n",
                  p),
        "INPUT 0, SVC 1 over SVC 2");
    // The accept stands in a chain that the rest would have jumped to.
    EXPECT_EQ(
        detour_of(":INPUT DROP [0:0]\n:OK - [0:0]\n[0:0] -A OK -j ACCEPT\n[0:0] -A INPUT -p tcp -j RETURN\n"
                  "[0:0] -A INPUT -j OK\n",
                  p),
        "INPUT 0, INPUT 1 over OK 1, exit INPUT 1");
    // A rule that drops behind a detour is told of it too.
    EXPECT_EQ(detour_of(":INPUT ACCEPT [0:0]\n:SVC - [0:0]\n[0:0] -A SVC -p tcp -j RETURN\n[0:0] -A SVC -j "
                        "ACCEPT\n[0:0] -A INPUT -j SVC\n[0:0] -A INPUT -j DROP\n",
                        p),
              "INPUT 2, SVC 1 over SVC 2");
}

TEST(FirewallVerdict, a_rule_that_leads_away_from_nothing_is_no_detour) {
    const TestPacket p = packet("tcp", "192.0.2.1", 9443);
    const std::string head = ":INPUT DROP [0:0]\n:SVC - [0:0]\n[0:0] -A SVC -p tcp --dport 22 -j ACCEPT\n";
    // Behind it only others are let through, or a drop comes first.
    EXPECT_EQ(
        detour_of(head + "[0:0] -A INPUT -p tcp -g SVC\n[0:0] -A INPUT -p tcp --dport 80 -j ACCEPT\n", p),
        "INPUT 0, exit INPUT 1");
    EXPECT_EQ(
        detour_of(head + "[0:0] -A INPUT -p tcp -g SVC\n[0:0] -A INPUT -s 192.0.2.1 -j DROP\n[0:0] -A INPUT "
                         "-p tcp -j ACCEPT\n",
                  p),
        "INPUT 0, exit INPUT 1");
    EXPECT_EQ(detour_of(head + "[0:0] -A INPUT -j SVC\n", p), "INPUT 0");
    // Whether the rule behind it fits is not known: it is not named.
    EXPECT_EQ(
        detour_of(head + "[0:0] -A INPUT -p tcp -g SVC\n[0:0] -A INPUT -m limit --limit 5/sec -j ACCEPT\n",
                  p),
        "INPUT 0, INPUT 1 over , exit INPUT 1");
}

TEST(FirewallVerdict, only_a_rule_that_asks_nothing_that_differs_drops_all_alike) {
    const auto all = [](const std::string& rules, const TestPacket& p, const std::string& rule) {
        const Table table = table_of(parse_iptables_save("ip", "*filter\n" + rules + "COMMIT\n"));
        return FirewallVerdict(table).drops_all_alike(p.dropped(),
                                                      "7/iptables-legacy/ip/filter/INPUT/" + rule);
    };
    const TestPacket p = packet("tcp", "192.0.2.1", 9443);
    EXPECT_TRUE(all(":INPUT ACCEPT [0:0]\n[0:0] -A INPUT -p tcp --dport 9443 -j DROP\n", p, "1"));
    EXPECT_TRUE(all(":INPUT DROP [0:0]\n[0:0] -A INPUT -p udp -j ACCEPT\n", p, "0"));
    for (const char* asked :
         {"-m length --length 0:99", "-m statistic --mode random --probability 0.1", "-m limit --limit 5/sec",
          "-m conntrack --ctstate INVALID", "-m ttl --ttl-lt 90", "-p tcp -m tcp --tcp-flags SYN,ACK SYN",
          "-p tcp --sport 40000"})
        EXPECT_FALSE(all(std::string(":INPUT ACCEPT [0:0]\n[0:0] -A INPUT ") + asked + " -j DROP\n", p, "1"))
            << asked;
    // A rule before it lets some through.
    EXPECT_FALSE(all(":INPUT DROP [0:0]\n[0:0] -A INPUT -m length --length 61:99 -j ACCEPT\n", p, "0"));
}

TEST(FirewallVerdict, a_policy_drops_the_answers_too_where_no_rule_lets_them_through) {
    TestPacket p = packet("tcp", "192.0.2.1", 9443);
    p.direction = "forward";
    p.iif = "lan", p.oif = "wan";
    const auto answers = [&](const std::string& rules, const std::string& rule) {
        const Table table = table_of(parse_iptables_save("ip", "*filter\n" + rules + "COMMIT\n"));
        return FirewallVerdict(table).drops_answers_alike(p.dropped(),
                                                          "7/iptables-legacy/ip/filter/FORWARD/" + rule);
    };
    EXPECT_TRUE(answers(":FORWARD DROP [0:0]\n", "0"));
    EXPECT_TRUE(answers(":FORWARD DROP [0:0]\n[0:0] -A FORWARD -i lan -o wan -p udp -j ACCEPT\n", "0"));
    for (const char* lets_through :
         {"-m conntrack --ctstate ESTABLISHED", "-i wan -o lan", "-p tcp --sport 9443", "-d 192.0.2.1"})
        EXPECT_FALSE(answers(
            std::string(":FORWARD DROP [0:0]\n[0:0] -A FORWARD ") + lets_through + " -j ACCEPT\n", "0"))
            << lets_through;
    EXPECT_FALSE(answers(":FORWARD ACCEPT [0:0]\n[0:0] -A FORWARD -p tcp --dport 9443 -j DROP\n", "1"));
}

TEST(FirewallMemory, tells_which_rules_are_gone_and_forgets_those_that_come_back) {
    FirewallMemory memory;
    const auto rules = parse_iptables_save(
        "ip",
        "*filter\n:INPUT DROP [0:0]\n[0:0] -A INPUT -p udp -j DROP\n[0:0] -A INPUT -p tcp -j DROP\nCOMMIT\n");
    memory.see(netns, rules);
    EXPECT_TRUE(memory.gone().at(netns).empty());
    // The first rule goes, and the second gets its number.
    memory.see(netns, parse_iptables_save(
                          "ip", "*filter\n:INPUT DROP [0:0]\n[0:0] -A INPUT -p tcp -j DROP\nCOMMIT\n"));
    ASSERT_EQ(memory.gone().at(netns).size(), 1u);
    EXPECT_EQ(memory.gone().at(netns).begin()->second.rule, "-A INPUT -p udp -j DROP");
    memory.see(netns, rules);
    EXPECT_TRUE(memory.gone().at(netns).empty());
}

TEST(FirewallMemory, a_rule_whose_quota_is_used_further_is_the_same_rule) {
    const auto rules = [](const std::string& quota) {
        FirewallRule rule;
        rule.backend = "nftables";
        rule.family = "inet", rule.table = "fw", rule.chain = "input", rule.handle = 2;
        rule.rule = "tcp dport 80 quota over 30 kbytes drop";
        rule.expression =
            R"({"expr":[{"quota":{"inv":true,)" + quota + R"("val_unit":"kbytes"}},{"drop":null}]})";
        return std::vector{rule};
    };
    FirewallMemory memory;
    memory.see(netns, rules(R"("val":30,)"));
    memory.see(netns, rules(R"("used":240,"used_unit":"bytes","val":30,)"));
    memory.see(netns, rules(R"("used":12,"used_unit":"kbytes","val":30,)"));
    EXPECT_TRUE(memory.gone().at(netns).empty());
    memory.see(netns, rules(R"("used":12,"used_unit":"kbytes","val":40,)"));
    EXPECT_EQ(memory.gone().at(netns).size(), 1u);
}

}  // namespace
}  // namespace waggle::facts
