// SPDX-License-Identifier: Apache-2.0
// Which rule can have dropped a packet, by what it asks alone.
#include "facts/firewall/firewall_verdict.h"

#include <gtest/gtest.h>

#include "facts/firewall/testing/test_packet.h"

namespace waggle::facts {
namespace {

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
    TestPacket p = packet("udp", "192.0.2.200", 8125);
    p.length = 1401;
    EXPECT_EQ(dropped("host", p), "fw input: meta length > 1400 udp dport 8125 drop (only candidate)");
}

TEST(FirewallVerdict, the_loopback_interface_is_let_through) {
    TestPacket p = packet("tcp", "192.0.2.200", 7777);
    p.iif = "lo";
    EXPECT_EQ(dropped("host", p), no_rule);
}

TEST(FirewallVerdict, an_interface_pattern_matches_its_interfaces) {
    TestPacket p = packet("tcp", "192.0.2.200", 9999);
    p.iif = "veth7a";
    EXPECT_EQ(dropped("host", p), "fw input: iifname \"veth*\" tcp dport 9999 drop (only candidate)");
}

TEST(FirewallVerdict,
     a_packet_in_the_middle_of_a_connection_that_a_rule_on_its_state_can_have_dropped_names_none) {
    TestPacket p = packet("tcp", "192.0.2.200", 7777);
    p.tcp_flags = 0x10;
    EXPECT_EQ(dropped("host", p), no_rule);
}

TEST(FirewallVerdict, another_namespace_has_other_rules) {
    TestPacket p = packet("tcp", "192.0.2.200", 7777);
    p.netns = 8;
    EXPECT_EQ(dropped("host", p), no_rule);
}

TEST(FirewallVerdict, an_earlier_hook_drops_first_and_for_certain) {
    TestPacket p = packet("udp", "192.0.2.1", 1900);
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
    TestPacket p = packet("tcp", "192.0.2.51", 8080);
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
    TestPacket p = packet("tcp", "192.0.2.51", 8080);
    p.direction = "forward";
    p.destination = "192.0.2.99";
    EXPECT_EQ(dropped("layers", p), no_rule);
}

TEST(FirewallVerdict, sent_packets_meet_output_and_postrouting) {
    TestPacket p = packet("udp", "192.0.2.51", 53);
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
    TestPacket p = packet("udp", "192.0.2.50", 4001);
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
        // The set is empty now; rules fill it, so it need not have been.
        Case{"udp", "192.0.2.1", 1009, "doubt input: udp dport 1009 ip saddr @recent drop (only candidate)"},
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
    TestPacket p = packet("tcp", "192.0.2.1", 7777);
    p.direction = "forward";
    p.destination = "198.51.100.99";
    p.oif = "eth1";
    EXPECT_EQ(dropped("iptables", p),
              "filter FORWARD: -A FORWARD -d 198.51.100.99/32 -i eth0 -o eth1 -j DROP (certain)");
    p.oif = "eth2";
    EXPECT_EQ(dropped("iptables", p), no_rule);
}

}  // namespace
}  // namespace waggle::facts
