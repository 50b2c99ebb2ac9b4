// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/routing_walk.h"

#include <gtest/gtest.h>

#include "facts/firewall/firewall_packet.h"

namespace waggle::agent {
namespace {

RoutingRule rule(std::int64_t priority, const std::string& action, std::int64_t table = 0) {
    RoutingRule made;
    made.priority = priority;
    made.action = action;
    made.table = table;
    made.text = action;
    return made;
}
RoutingRule from(RoutingRule made, const std::string& network, unsigned bits) {
    made.source = facts::parse_address(network);
    made.source_bits = bits;
    return made;
}
Route route(const std::string& kind, const std::string& network, unsigned bits, std::int64_t table) {
    Route made;
    made.kind = kind;
    made.network = facts::parse_address(network);
    made.bits = bits;
    made.table = table;
    return made;
}

class RoutingWalkTest : public testing::Test {
  protected:
    RoutingWalkTest() {
        drop_.direction = "in";
        drop_.device = "eth0";
        drop_.protocol = "tcp";
        drop_.port = 443;
        drop_.source = "192.0.2.5";
        drop_.destination = "203.0.113.9";
        routes_ = {route("unicast", "203.0.113.0", 24, 254), route("blackhole", "203.0.113.9", 32, 100),
                   route("local", "192.0.2.1", 32, 255)};
        rules_ = {rule(0, "table", 255), rule(32766, "table", 254)};
    }
    void ask_first(RoutingRule made) { rules_.insert(rules_.begin() + 1, std::move(made)); }
    // The action of the rule, the kind of the route, "none", or "unknown".
    std::string decided() {
        const auto decision = decide_routing(rules_, routes_, drop_);
        if (!decision) return "unknown";
        return decision->rule ? decision->rule->action : decision->route ? decision->route->kind : "none";
    }

    Drop drop_;
    std::vector<Route> routes_;
    std::vector<RoutingRule> rules_;
};

TEST_F(RoutingWalkTest, a_route_of_a_table_that_no_rule_leads_to_decides_nothing) {
    EXPECT_EQ(decided(), "unicast");
}

TEST_F(RoutingWalkTest, a_rule_leads_to_a_table_whose_route_drops) {
    ask_first(from(rule(10, "table", 100), "192.0.2.0", 24));
    EXPECT_EQ(decided(), "blackhole");
}

TEST_F(RoutingWalkTest, the_first_rule_that_fits_decides) {
    ask_first(from(rule(10, "prohibit"), "192.0.2.0", 24));
    EXPECT_EQ(decided(), "prohibit");
    ask_first(from(rule(5, "table", 254), "192.0.2.5", 32));
    EXPECT_EQ(decided(), "unicast") << "an earlier rule finds a route";
}

TEST_F(RoutingWalkTest, a_rule_whose_table_has_no_route_is_passed) {
    ask_first(from(rule(10, "prohibit"), "192.0.2.0", 24));
    ask_first(rule(5, "table", 77));
    EXPECT_EQ(decided(), "prohibit");
    routes_.push_back(route("throw", "203.0.113.0", 24, 77));
    EXPECT_EQ(decided(), "prohibit");
}

TEST_F(RoutingWalkTest, a_rule_for_others_is_not_blamed) {
    ask_first(from(rule(10, "prohibit"), "198.51.100.0", 24));
    EXPECT_EQ(decided(), "unicast");
    RoutingRule other_device = rule(11, "blackhole");
    other_device.in_device = "eth1";
    ask_first(other_device);
    EXPECT_EQ(decided(), "unicast");
    RoutingRule other_port = rule(12, "unreachable");
    other_port.protocol = "tcp";
    other_port.port_from = 80;
    other_port.port_to = 90;
    ask_first(other_port);
    EXPECT_EQ(decided(), "unicast");
    other_port.port_to = 443;
    ask_first(other_port);
    EXPECT_EQ(decided(), "unreachable");
}

TEST_F(RoutingWalkTest, an_inverted_rule_takes_what_does_not_fit) {
    RoutingRule made = from(rule(10, "prohibit"), "192.0.2.0", 24);
    made.inverted = true;
    ask_first(made);
    EXPECT_EQ(decided(), "unicast");
    drop_.source = "198.51.100.1";
    EXPECT_EQ(decided(), "prohibit");
}

TEST_F(RoutingWalkTest, what_the_drop_does_not_tell_leaves_it_open) {
    RoutingRule marked = rule(10, "prohibit");
    marked.mark = 7;
    marked.mark_mask = 0xff;
    ask_first(marked);
    EXPECT_EQ(decided(), "unknown") << "no packet was seen singly";
    drop_.samples.emplace_back().packet.packet.mark = 0x107;
    EXPECT_EQ(decided(), "prohibit");
    drop_.samples.emplace_back().packet.packet.mark = 8;
    EXPECT_EQ(decided(), "unknown") << "they differ";
    drop_.samples = {drop_.samples.back()};
    EXPECT_EQ(decided(), "unicast");
}

TEST_F(RoutingWalkTest, a_rule_that_compares_more_matters_only_where_it_changes_the_end) {
    RoutingRule more = rule(10, "table", 77);
    more.is_partly_known = true;
    ask_first(more);
    EXPECT_EQ(decided(), "unicast") << "its table has no such route";
    rules_[1].table = 100;
    EXPECT_EQ(decided(), "unknown");
    rules_[1].table = 0;
    EXPECT_EQ(decided(), "unknown") << "a table that is not known";
}

TEST_F(RoutingWalkTest, of_what_is_forwarded_the_user_is_root_and_of_what_is_sent_here_it_is_not_known) {
    RoutingRule of_user = rule(10, "prohibit");
    of_user.uid_from = of_user.uid_to = 1000;
    ask_first(of_user);
    EXPECT_EQ(decided(), "unicast");
    drop_.direction = "out";
    EXPECT_EQ(decided(), "unknown");
}

TEST_F(RoutingWalkTest, routes_with_short_prefixes_are_passed_over_where_a_rule_says_so) {
    RoutingRule specific = rule(10, "table", 254);
    specific.suppressed_length = 0;
    routes_ = {route("unicast", "0.0.0.0", 0, 254)};
    ask_first(specific);
    rules_.back() = rule(32766, "unreachable");
    EXPECT_EQ(decided(), "unreachable");
    rules_[1].suppressed_length.reset();
    EXPECT_EQ(decided(), "unicast");
}

TEST_F(RoutingWalkTest, a_goto_goes_on_at_the_priority_it_names) {
    RoutingRule jump = rule(5, "goto");
    jump.go_to = 20;
    ask_first(rule(20, "blackhole"));
    ask_first(rule(10, "prohibit"));
    ask_first(jump);
    EXPECT_EQ(decided(), "blackhole");
}

TEST_F(RoutingWalkTest, where_nothing_fits_nothing_is_blamed) {
    rules_ = {rule(0, "table", 255)};
    EXPECT_EQ(decided(), "none");
}

}  // namespace
}  // namespace waggle::agent
