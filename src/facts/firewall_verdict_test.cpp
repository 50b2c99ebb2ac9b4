// SPDX-License-Identifier: Apache-2.0
// Rulesets as nft and iptables-save printed them (testdata), packets, and the rule that must be named. Rules
// are named by "table chain: text".
#include "facts/firewall_verdict.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "facts/firewall_rule.h"
#include "facts/put.h"
#include "model/record_writer.h"

namespace waggle::facts {
namespace {

constexpr std::uint32_t netns = 7;

std::string recorded(const std::string& name) {
    const auto text = read_file(WAGGLE_SOURCE_DIR "/src/facts/testdata/" + name);
    EXPECT_TRUE(text) << name;
    return text ? *text : std::string();
}

std::vector<FirewallRule> ruleset(const std::string& name) {
    if (name == "iptables") return parse_iptables_save("ip", recorded("iptables.save"));
    const auto rules = parse_nft_ruleset(recorded(name + ".json"), recorded(name + ".txt"));
    EXPECT_TRUE(rules) << name;
    return rules ? *rules : std::vector<FirewallRule>{};
}

Table table_of(const std::vector<FirewallRule>& rules) {
    Table table(firewall_rules_schema(), 1u << 20);
    emit_firewall_rules(netns, rules, [&](const Row& row) { table.append(row); });
    return table;
}

// "fw input: policy drop (certain)", or "" where no rule is named.
std::string name_of(const Table& table, const std::optional<FirewallVerdict::Answer>& answer) {
    std::string name;
    if (!answer) return name;
    table.each([&](const Row& row) {
        if (row.text("id") == answer->rule_id)
            name = std::string(row.text("table_name")) + " " + std::string(row.text("chain")) + ": " +
                   std::string(row.text("rule")) + " (" + answer->confidence + ")";
    });
    return name;
}

DroppedPacket packet(std::string protocol, std::string source, std::uint16_t destination_port) {
    DroppedPacket p;
    p.netns = netns;
    p.direction = "in";
    p.iif = "eth0";
    p.source = std::move(source);
    p.destination = p.source.find(':') == std::string::npos ? "198.51.100.1" : "2001:db8:1::1";
    p.protocol = std::move(protocol);
    p.source_port = 40000;
    p.destination_port = destination_port;
    if (p.protocol == "tcp" || p.protocol == "6") p.tcp_flags = 0x02;
    p.length = 60;
    return p;
}

std::string dropped(const std::string& rules, const DroppedPacket& p) {
    const Table table = table_of(ruleset(rules));
    return name_of(table, FirewallVerdict(table).dropped_by(p));
}

constexpr auto no_rule = "";

struct Case {
    const char* protocol;
    const char* source;
    std::uint16_t port;
    const char* rule;
};

class HostFirewall : public testing::TestWithParam<Case> {};
TEST_P(HostFirewall, names_the_rule) {
    const Case& c = GetParam();
    EXPECT_EQ(dropped("host", packet(c.protocol, c.source, c.port)), c.rule)
        << c.protocol << " from " << c.source << " to port " << c.port;
}
// A packet the rules let through was dropped by something else, so no rule is named.
INSTANTIATE_TEST_SUITE_P(
    Packets, HostFirewall,
    testing::Values(
        Case{"tcp", "192.0.2.200", 7777,
             "fw input: tcp dport 7777 counter drop comment \"no # handle 3 here\" (only candidate)"},
        Case{"tcp", "192.0.2.7", 7777,
             "fw input: ip saddr @blocked counter drop (only candidate)"},  // prefix in a named set
        Case{"tcp", "198.51.100.7", 80, "fw input: ip saddr @blocked counter drop (only candidate)"},
        Case{"tcp", "198.51.100.25", 80,
             "fw input: ip saddr @blocked counter drop (only candidate)"},  // range
        Case{"tcp", "198.51.100.30", 80, no_rule},                          // one behind the range: accepted
        Case{"tcp", "2001:db8:bad::9", 80, "fw input: ip6 saddr @blocked6 drop (only candidate)"},
        Case{"tcp", "2001:db8:cafe::9", 80, no_rule},
        Case{"tcp", "192.0.2.200", 22, no_rule},  // verdict map: accept
        Case{"tcp", "192.0.2.200", 23, "fw input: tcp dport vmap @services (only candidate)"},
        Case{"tcp", "192.0.2.200", 24, "fw limited: counter drop (only candidate)"},  // jump
        Case{"tcp", "198.51.100.40", 24, "fw input: policy drop (only candidate)"},   // jump, return, policy
        Case{"tcp", "192.0.2.200", 25, "fw input: policy drop (only candidate)"},  // goto ends in the policy
        Case{"tcp", "198.51.100.1", 25, no_rule},
        Case{"tcp", "192.0.2.200", 1500, no_rule},  // range in an anonymous set: accept
        Case{"tcp", "192.0.2.200", 2001, "fw input: policy drop (only candidate)"},
        Case{"tcp", "192.0.2.200", 9500,
             "fw input: tcp dport != 1-9000 tcp flags syn / fin,syn,rst,ack drop (only candidate)"},
        Case{"udp", "198.51.100.9", 53, no_rule},  // concatenation
        Case{"udp", "198.51.100.10", 53, "fw input: policy drop (only candidate)"},
        Case{"udp", "198.51.100.10", 95, no_rule},  // concatenation of prefix and range
        Case{"udp", "192.0.2.200", 69,
             "fw input: udp dport 69 log prefix \"tftp: \" reject (only candidate)"},
        Case{"udp", "192.0.2.200", 70,
             "fw input: udp dport vmap { 70 : drop, 71-79 : accept } (only candidate)"},
        Case{"udp", "192.0.2.200", 75, no_rule},
        Case{"udp", "192.0.2.200", 8125, "fw input: policy drop (only candidate)"},  // too short for the rule
        Case{"udp", "192.0.2.200", 3306, "fw input: th dport 3306 drop (only candidate)"},
        // Everything else lets it through.
        Case{"icmp", "192.0.2.200", 0, "fw input: ct state invalid drop (only candidate)"},
        Case{"sctp", "192.0.2.200", 99, no_rule} /* the rule on sctp, or the one on its state */));

TEST(FirewallVerdict, a_long_packet_meets_the_rule_on_length) {
    DroppedPacket p = packet("udp", "192.0.2.200", 8125);
    p.length = 1401;
    EXPECT_EQ(dropped("host", p), "fw input: meta length > 1400 udp dport 8125 drop (only candidate)");
}

TEST(FirewallVerdict, the_loopback_interface_is_let_through) {
    DroppedPacket p = packet("tcp", "192.0.2.200", 7777);
    p.iif = "lo";
    EXPECT_EQ(dropped("host", p), no_rule);
}

TEST(FirewallVerdict, an_interface_pattern_matches_its_interfaces) {
    DroppedPacket p = packet("tcp", "192.0.2.200", 9999);
    p.iif = "veth7a";
    EXPECT_EQ(dropped("host", p), "fw input: iifname \"veth*\" tcp dport 9999 drop (only candidate)");
}

TEST(FirewallVerdict,
     a_packet_in_the_middle_of_a_connection_that_a_rule_on_its_state_can_have_dropped_names_none) {
    DroppedPacket p = packet("tcp", "192.0.2.200", 7777);
    p.tcp_flags = 0x10;
    EXPECT_EQ(dropped("host", p), no_rule);
}

TEST(FirewallVerdict, another_namespace_has_other_rules) {
    DroppedPacket p = packet("tcp", "192.0.2.200", 7777);
    p.netns = 8;
    EXPECT_EQ(dropped("host", p), no_rule);
}

TEST(FirewallVerdict, an_earlier_hook_drops_first_and_for_certain) {
    DroppedPacket p = packet("udp", "192.0.2.1", 1900);
    EXPECT_EQ(dropped("layers", p), "early pre: udp dport 1900 counter drop (certain)");
    p.source = "192.0.2.77";
    p.iif = "lo";
    EXPECT_EQ(dropped("layers", p), "edge incoming: ip saddr 192.0.2.77 drop (certain)");
    p.iif = "eth0";  // the ingress chain sees lo alone
    EXPECT_EQ(dropped("layers", p), "early pre: udp dport 1900 counter drop (certain)");
}

TEST(FirewallVerdict, an_accept_ends_its_own_chain_only) {
    EXPECT_EQ(dropped("layers", packet("tcp", "192.0.2.50", 82)), no_rule);  // accepted in both
    EXPECT_EQ(dropped("layers", packet("tcp", "192.0.2.51", 82)), "second input: policy drop (certain)");
    EXPECT_EQ(dropped("layers", packet("tcp", "192.0.2.51", 81)), no_rule);
}

TEST(FirewallVerdict, rules_of_ipv6_see_no_ipv4_and_the_other_way_round) {
    EXPECT_EQ(dropped("layers", packet("tcp", "2001:db8::5", 443)),
              "six input: ip6 saddr { ::1, 2001:db8::/32 } tcp dport 443 drop (certain)");
    EXPECT_EQ(dropped("layers", packet("tcp", "2001:db9::5", 443)), no_rule);
    EXPECT_EQ(dropped("layers", packet("tcp", "192.0.2.51", 443)), "second input: policy drop (certain)");
}

TEST(FirewallVerdict, forwarded_packets_meet_the_forward_chains) {
    DroppedPacket p = packet("tcp", "192.0.2.51", 8080);
    p.direction = "forward";
    p.oif = "eth1";
    EXPECT_EQ(dropped("layers", p),
              "router forward: iifname \"eth0\" oifname \"eth1\" tcp dport 8080 drop (certain)");
    p.destination = "192.0.2.99";
    p.destination_port = 9;
    EXPECT_EQ(dropped("layers", p), "router forward: ip daddr != 198.51.100.0/24 drop (certain)");
    p.destination = "198.51.100.99";
    EXPECT_EQ(dropped("layers", p), no_rule);
}

TEST(FirewallVerdict, an_interface_that_is_not_known_makes_two_rules_possible_and_names_none) {
    DroppedPacket p = packet("tcp", "192.0.2.51", 8080);
    p.direction = "forward";
    p.destination = "192.0.2.99";
    EXPECT_EQ(dropped("layers", p), no_rule);
}

TEST(FirewallVerdict, sent_packets_meet_output_and_postrouting) {
    DroppedPacket p = packet("udp", "192.0.2.51", 53);
    p.direction = "out";
    p.iif.clear();
    p.oif = "eth0";
    p.destination = "192.0.2.66";
    EXPECT_EQ(dropped("layers", p), "router out: oifname \"eth0\" ip daddr 192.0.2.66 reject (certain)");
    p.destination = "192.0.2.67";
    p.destination_port = 4000;
    EXPECT_EQ(dropped("layers", p), "router out: meta skuid 1000 udp dport 4000 drop (only candidate)");
    p.destination_port = 4001;
    p.source_port = 4100;
    EXPECT_EQ(dropped("layers", p), "router post: udp sport 4100 drop (certain)");
}

TEST(FirewallVerdict, without_a_direction_the_only_rule_that_fits_in_any_is_named) {
    DroppedPacket p = packet("udp", "192.0.2.50", 4001);
    p.direction.clear();
    p.source_port = 4100;
    EXPECT_EQ(dropped("layers", p), "router post: udp sport 4100 drop (only candidate)");
}

INSTANTIATE_TEST_SUITE_P(Names, HostFirewall,
                         testing::Values(Case{"6", "192.0.2.200", 23,
                                              "fw input: tcp dport vmap @services (only candidate)"}));

class DoubtfulFirewall : public testing::TestWithParam<Case> {};
TEST_P(DoubtfulFirewall, names_a_rule_only_where_no_other_fits) {
    const Case& c = GetParam();
    EXPECT_EQ(dropped("doubt", packet(c.protocol, c.source, c.port)), c.rule) << "port " << c.port;
}
INSTANTIATE_TEST_SUITE_P(
    Packets, DoubtfulFirewall,
    testing::Values(
        Case{"udp", "192.0.2.1", 1000, "doubt input: udp dport 1000 drop (only candidate)"},
        Case{"udp", "192.0.2.1", 1001, no_rule},  // two rules that may have matched
        Case{"udp", "192.0.2.1", 1002,
             "doubt input: udp dport 1002 meta mark 0x00000007 drop (only candidate)"},
        Case{"udp", "192.0.2.1", 1003, "doubt input: udp dport 1003 ct state new drop (only candidate)"},
        Case{"tcp", "192.0.2.1", 1004,
             "doubt input: tcp dport 1004 drop (only candidate)"},  // a SYN is not invalid
        Case{"tcp", "192.0.2.1", 1005, "doubt input: tcp dport 1005 drop (only candidate)"},
        Case{"udp", "192.0.2.1", 1006,
             "doubt input: udp dport 1006 counter drop (certain)"},  // the first ends it
        Case{"udp", "192.0.2.1", 1007, "doubt input: udp dport 1007 add @recent { ip saddr } drop (certain)"},
        Case{"udp", "192.0.2.1", 1008, "doubt input: udp dport 1008 ip ttl 5 drop (only candidate)"},
        Case{"udp", "192.0.2.1", 1009, no_rule},  // the set was empty
        Case{"udp", "192.0.2.1", 1010, "doubt maybe: udp dport 1010 drop (only candidate)"},
        Case{"udp", "192.0.2.1", 1011, no_rule}));

class LegacyFirewall : public testing::TestWithParam<Case> {};
TEST_P(LegacyFirewall, names_the_rule) {
    const Case& c = GetParam();
    EXPECT_EQ(dropped("iptables", packet(c.protocol, c.source, c.port)), c.rule) << "port " << c.port;
}
INSTANTIATE_TEST_SUITE_P(
    Packets, LegacyFirewall,
    testing::Values(
        Case{"udp", "192.0.2.1", 1900,
             "raw PREROUTING: -A PREROUTING -p udp -m udp --dport 1900 -j DROP (certain)"},
        Case{"tcp", "192.0.2.1", 7777,
             "filter INPUT: -A INPUT -p tcp -m tcp --dport 7777 -m comment --comment \"a -p \\\"b\\\"\" -j "
             "DROP (only candidate)"},
        Case{
            "udp", "192.0.2.1", 6005,
            "filter INPUT: -A INPUT -s 192.0.2.0/25 -p udp -m multiport --dports 53,5353,6000:6010 -j REJECT "
            "--reject-with icmp-port-unreachable (only candidate)"},
        Case{"udp", "192.0.2.130", 6005, "filter INPUT: policy drop (only candidate)"},
        Case{"tcp", "192.0.2.1", 22, "filter LOGDROP: -A LOGDROP -j DROP (only candidate)"},
        Case{"tcp", "198.51.100.9", 22, no_rule},
        Case{"udp", "192.0.2.10", 90, "filter MINE: -A MINE -s 192.0.2.10/32 -j DROP (only candidate)"},
        Case{"udp", "192.0.2.9", 90, "filter INPUT: policy drop (only candidate)"},
        Case{"udp", "192.0.2.9", 91,
             "filter INPUT: -A INPUT -p udp -m udp --dport 91:95 -j DROP (only candidate)"},
        Case{
            "tcp", "192.0.2.205", 5,
            "filter INPUT: -A INPUT -m iprange --src-range 192.0.2.200-192.0.2.210 -j DROP (only candidate)"},
        Case{"udp", "192.0.2.1", 96, no_rule},  // a mark that is not known, or the policy
        Case{"udp", "192.0.2.1", 97, "filter INPUT: policy drop (only candidate)"},
        Case{"tcp", "2001:db8::1", 7777, no_rule}));

TEST(FirewallVerdict, an_iptables_forward_rule_needs_both_interfaces) {
    DroppedPacket p = packet("tcp", "192.0.2.1", 7777);
    p.direction = "forward";
    p.destination = "198.51.100.99";
    p.oif = "eth1";
    EXPECT_EQ(dropped("iptables", p),
              "filter FORWARD: -A FORWARD -d 198.51.100.99/32 -i eth0 -o eth1 -j DROP (certain)");
    p.oif = "eth2";
    EXPECT_EQ(dropped("iptables", p), no_rule);
}

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

TEST(FirewallVerdict, of_several_rules_those_whose_counter_stood_still_are_acquitted) {
    const auto verdict_when = [](std::int64_t others_moved, std::uint16_t port = 96) {
        Table table(counted_schema, 1u << 20);
        RecordWriter<counted_rule> record;
        for (const FirewallRule& rule : ruleset("iptables")) {
            record.clear();
            record.text(&counted_rule::id, rule.table + " " + rule.chain + " " + std::to_string(rule.handle));
            record.text(&counted_rule::table_name, rule.table);
            record.text(&counted_rule::chain, rule.chain);
            record.text(&counted_rule::rule, rule.rule);
            record.text(&counted_rule::verdict, rule.verdict);
            record.fixed.netns = netns;
            record.fixed.position = rule.position;
            record.fixed.handle = rule.handle;
            record.fixed.packets_delta = rule.handle == 0 ? 5 : others_moved;
            put(record.fixed.backend, rule.backend);
            put(record.fixed.family, rule.family);
            put(record.fixed.hook, rule.hook);
            put(record.fixed.policy, rule.policy);
            table.append(Row(counted_schema, record.finish()));
        }
        const auto answer = FirewallVerdict(table).dropped_by(packet("udp", "192.0.2.1", port));
        return answer ? answer->rule_id + ", " + answer->confidence : "";
    };
    EXPECT_EQ(verdict_when(null_i64), "") << "a mark that is not known, or the policy";
    EXPECT_EQ(verdict_when(3), "");
    EXPECT_EQ(verdict_when(0), "filter INPUT 0, certain");
    // Where there is but one, it is named although its counter was read too late.
    EXPECT_EQ(verdict_when(0, 91), "filter INPUT 10, only candidate");
}

TEST(FirewallVerdict, rules_it_cannot_read_make_it_silent) {
    std::vector<FirewallRule> rules = ruleset("doubt");
    for (FirewallRule& rule : rules)
        if (rule.position == 1 && rule.handle != 0) rule.expression = "{";
    const Table table = table_of(rules);
    // The first rule of the chain, an accept, and of `maybe`, a drop, can now mean anything.
    EXPECT_EQ(name_of(table, FirewallVerdict(table).dropped_by(packet("udp", "192.0.2.1", 1006))),
              "doubt input: udp dport 1006 counter drop (only candidate)");
    EXPECT_EQ(name_of(table, FirewallVerdict(table).dropped_by(packet("udp", "192.0.2.1", 1008))), no_rule);
}

TEST(FirewallVerdict, chains_that_jump_in_circles_end) {
    auto rules =
        parse_iptables_save("ip",
                            "*filter\n:INPUT DROP [0:0]\n:A - [0:0]\n:B - [0:0]\n[0:0] -A INPUT -j A\n"
                            "[0:0] -A A -j B\n[0:0] -A B -j A\nCOMMIT\n");
    const Table table = table_of(rules);
    EXPECT_EQ(name_of(table, FirewallVerdict(table).dropped_by(packet("udp", "192.0.2.1", 1))),
              "filter INPUT: policy drop (only candidate)");
}

}  // namespace
}  // namespace waggle::facts
