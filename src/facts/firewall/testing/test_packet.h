// SPDX-License-Identifier: Apache-2.0
// Rulesets as nft and iptables-save printed them (testdata), packets, and the rule that must be named. Rules
// are named by "table chain: text".
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/text.h"
#include "facts/firewall/firewall_rule.h"
#include "facts/firewall/firewall_verdict.h"
#include "places.h"

namespace waggle::facts {

inline constexpr std::uint32_t netns = 7;

// A packet as a test writes it.
struct TestPacket {
    std::uint32_t netns = 0;
    std::string direction, iif, oif, source, destination, protocol;
    std::optional<std::uint16_t> source_port, destination_port;
    std::optional<std::uint8_t> tcp_flags;
    std::optional<std::uint32_t> length;

    DroppedPacket dropped() const {
        DroppedPacket out;
        out.netns = netns;
        out.direction = direction;
        out.packet.iif = iif;
        out.packet.oif = oif;
        out.packet.source = parse_address(source);
        out.packet.destination = parse_address(destination);
        out.packet.protocol = protocol_number(protocol);
        out.packet.source_port = source_port;
        out.packet.destination_port = destination_port;
        out.packet.tcp_flags = tcp_flags;
        out.packet.length = length;
        return out;
    }
};

// The only suspect, if there is one.
struct Answer {
    std::string rule_id, confidence;
};
inline std::optional<Answer> dropped_by(const FirewallVerdict& verdict, const TestPacket& packet) {
    const auto suspects = verdict.suspects(packet.dropped());
    if (suspects.all.size() != 1) return {};
    const auto& only = suspects.all.front();
    return Answer{only.rule_id, only.sure && !suspects.contradicted ? "certain" : "only candidate"};
}

inline std::string recorded(const std::string& name) {
    const auto text = read_file(WAGGLE_SOURCE_DIR "/src/facts/firewall/testdata/" + name);
    EXPECT_TRUE(text) << name;
    return text ? *text : std::string();
}

inline std::vector<FirewallRule> ruleset(const std::string& name) {
    if (name == "iptables") return parse_iptables_save("ip", recorded("iptables.save"));
    const auto rules = parse_nft_ruleset(recorded(name + ".json"), recorded(name + ".txt"));
    EXPECT_TRUE(rules) << name;
    return rules ? *rules : std::vector<FirewallRule>{};
}

inline Table table_of(const std::vector<FirewallRule>& rules) {
    Table table(firewall_rules_schema(), 1u << 20);
    emit_firewall_rules(netns, rules, [&](const Row& row) { table.append(row); });
    return table;
}

// "fw input: policy drop (certain)", or "" where no rule is named.
inline std::string name_of(const Table& table, const std::optional<Answer>& answer) {
    std::string name;
    if (!answer) return name;
    table.each([&](const Row& row) {
        if (row.text("id") == answer->rule_id)
            name = std::string(row.text("table_name")) + " " + std::string(row.text("chain")) + ": " +
                   std::string(row.text("rule")) + " (" + answer->confidence + ")";
    });
    return name;
}

inline TestPacket packet(std::string protocol, std::string source, std::uint16_t destination_port) {
    TestPacket p;
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

inline std::string dropped(const std::string& rules, const TestPacket& p) {
    const Table table = table_of(ruleset(rules));
    return name_of(table, dropped_by(FirewallVerdict(table), p));
}

inline constexpr auto no_rule = "";

}  // namespace waggle::facts
