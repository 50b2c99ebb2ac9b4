// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/text.h"
#include "facts/firewall/firewall_rule.h"
#include "facts/firewall/firewall_verdict.h"
#include "facts/makers.h"
#include "facts/testing/fact_rows.h"
#include "facts/testing/netns_process.h"
#include "places.h"

namespace waggle::facts {
namespace {

const std::string testdata = WAGGLE_SOURCE_DIR "/src/facts/firewall/testdata/";

int command(const std::string& line) { return std::system(line.c_str()); }

std::vector<FactRow> rules_of(const NetnsProcess& inside) {
    std::vector<FactRow> rows;
    for (FactRow& row : fact_rows(*make_firewall_rules({}, make_firewall_memory())))
        if (row.at("netns") == inside.inode()) rows.push_back(std::move(row));
    return rows;
}

DroppedPacket loopback_packet(const NetnsProcess& inside, std::uint16_t port) {
    DroppedPacket packet;
    packet.netns = inside.netns();
    packet.direction = "in";
    packet.packet.iif = "lo";
    packet.packet.source = packet.packet.destination = parse_address("127.0.0.1");
    packet.packet.protocol = protocol_number("udp");
    packet.packet.destination_port = port;
    return packet;
}

std::string dropped_by(const DroppedPacket& packet) {
    Table table(firewall_rules_schema(), 1u << 20);
    EXPECT_TRUE(
        make_firewall_rules({}, make_firewall_memory())->read([&](const Row& row) { table.append(row); }));
    const auto suspects = FirewallVerdict(table).suspects(packet).all;
    return suspects.size() == 1 ? suspects.front().rule_id : "";
}

class RecordedRuleset : public testing::TestWithParam<const char*> {};

// What the unit tests rest on is what this kernel and this nft say.
TEST_P(RecordedRuleset, is_what_the_rules_read_back_as) {
    const std::string name = GetParam();
    const NetnsProcess inside([&] { return command("nft -f " + testdata + name + ".nft"); });
    const auto json = read_file(testdata + name + ".json"), text = read_file(testdata + name + ".txt");
    ASSERT_TRUE(json && text);
    const auto recorded = parse_nft_ruleset(*json, *text);
    ASSERT_TRUE(recorded);
    const auto rows = rules_of(inside);
    ASSERT_EQ(rows.size(), recorded->size());
    for (const FirewallRule& rule : *recorded) {
        const FactRow row = only_row(rows, {{"family", rule.family},
                                            {"table_name", rule.table},
                                            {"chain", rule.chain},
                                            {"position", std::to_string(rule.position)}});
        EXPECT_EQ(row.at("rule"), rule.rule);
        EXPECT_EQ(row.at("verdict"), rule.verdict);
        EXPECT_EQ(row.at("expression"), rule.expression) << rule.rule;
    }
}
INSTANTIATE_TEST_SUITE_P(Rulesets, RecordedRuleset, testing::Values("host", "layers", "doubt"));

TEST(TrackedConnectionsKernel, an_entry_counts_for_its_sender_and_its_service) {
    const NetnsProcess inside([] {
        const int status = command(
            "nft 'table inet t { chain c { type filter hook input priority 0; ct state new accept; }; }'");
        for (std::uint16_t port = 7000; status == 0 && port < 7005; ++port) send_udp(port, 2, 10);
        return status;
    });
    std::vector<FactRow> rows;
    for (FactRow& row : fact_rows(*make_tracked_connections({})))
        if (row.at("netns") == inside.inode()) rows.push_back(std::move(row));
    const auto whole = std::ranges::find_if(
        rows, [](const FactRow& row) { return !row.contains("source") && !row.contains("port"); });
    ASSERT_NE(whole, rows.end());
    const std::uint64_t all = std::stoull(whole->at("entries"));
    EXPECT_GE(all, 5u);
    const FactRow sender = only_row(rows, {{"source", "127.0.0.1"}});
    EXPECT_EQ(sender.at("entries"), std::to_string(all));
    EXPECT_EQ(sender.at("unanswered"), std::to_string(all)) << "nobody listens there";
    EXPECT_GE(std::stoull(only_row(rows, {{"protocol", "udp"}, {"port", "7003"}}).at("entries")), 1u);
}

TEST(FirewallKernel, an_nft_rule_has_the_handle_and_counts_that_nft_lists) {
    const NetnsProcess inside([] {
        const int status = command(
            "nft 'table inet fw { chain input { type filter hook input priority 0; policy accept; "
            "udp dport 53 accept; udp dport 7777 counter drop; }; }'");
        if (status == 0) send_udp(7777, 37, 10);
        return status;
    });
    const FactRow row = only_row(rules_of(inside), {{"verdict", "drop"}});
    EXPECT_EQ(row.at("packets"), "37");
    EXPECT_EQ(row.at("bytes"), std::to_string(37 * (20 + 8 + 10)));
    EXPECT_EQ(row.at("rule"), "udp dport 7777 counter drop");
    const std::string listed = inside.output("nft -a list ruleset");
    const std::string line = "udp dport 7777 counter packets " + row.at("packets") + " bytes " +
                             row.at("bytes") + " drop # handle " + row.at("handle") + "\n";
    EXPECT_NE(listed.find(line), std::string::npos) << line << listed;
    EXPECT_EQ(dropped_by(loopback_packet(inside, 7777)), row.at("id"));
    EXPECT_EQ(dropped_by(loopback_packet(inside, 7778)), "");
}

TEST(FirewallKernel, an_iptables_legacy_rule_has_the_number_and_counts_that_iptables_lists) {
    const NetnsProcess inside([] {
        const int status = command(
            "iptables-legacy -A INPUT -p udp --dport 53 -j ACCEPT && "
            "iptables-legacy -A INPUT -p udp --dport 7777 -m comment --comment 'no games' -j DROP && "
            "ip6tables-legacy -P FORWARD DROP");
        if (status == 0) send_udp(7777, 21, 10);
        return status;
    });
    const auto rows = rules_of(inside);
    const FactRow row = only_row(rows, {{"verdict", "drop"}, {"family", "ip"}});
    EXPECT_EQ(row.at("handle"), "2");
    EXPECT_EQ(row.at("packets"), "21");
    EXPECT_EQ(row.at("rule"),
              "-A INPUT -p udp -m udp --dport 7777 -m comment --comment \"no games\" -j DROP");
    const std::string listed = inside.output("iptables-legacy -nvxL INPUT 2");
    EXPECT_EQ(split(std::string(trim(listed)), ' ').front(), row.at("packets")) << listed;
    EXPECT_NE(listed.find(row.at("bytes")), std::string::npos) << listed;
    EXPECT_EQ(dropped_by(loopback_packet(inside, 7777)), row.at("id"));
    const FactRow six = only_row(rows, {{"family", "ip6"}, {"chain", "FORWARD"}});
    EXPECT_EQ(six.at("rule"), "policy drop");
}

TEST(FirewallKernel, what_iptables_nft_writes_is_read_as_nftables) {
    const NetnsProcess inside([] {
        const int status = command("iptables-nft -A INPUT -p udp --dport 7777 -j DROP");
        if (status == 0) send_udp(7777, 5, 10);
        return status;
    });
    const FactRow row = only_row(rules_of(inside), {{"verdict", "drop"}});
    EXPECT_EQ(row.at("backend"), "nftables");
    EXPECT_EQ(row.at("packets"), "5");
    EXPECT_EQ(dropped_by(loopback_packet(inside, 7777)), row.at("id"));
}

TEST(FirewallKernel, a_namespace_without_rules_has_no_rows) {
    const NetnsProcess inside([] { return 0; });
    EXPECT_TRUE(rules_of(inside).empty());
}

}  // namespace
}  // namespace waggle::facts
