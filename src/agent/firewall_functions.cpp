// SPDX-License-Identifier: Apache-2.0
#include "agent/firewall_functions.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace waggle::agent {
namespace {

constexpr int argument_counts[] = {9, 11};

// "SYN|ACK", as the dictionary of TCP's flags says them, or the number.
std::optional<std::uint8_t> tcp_flags(const explain::Cell& cell) {
    if (cell.is_null()) return std::nullopt;
    if (cell.kind != Value::Kind::text) return static_cast<std::uint8_t>(cell.number());
    constexpr std::string_view names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    unsigned flags = 0;
    for (const std::string_view word : split(cell.text, '|')) {
        const auto* known = std::find(std::begin(names), std::end(names), word);
        if (known == std::end(names)) return std::nullopt;
        flags |= 1u << (known - std::begin(names));
    }
    return static_cast<std::uint8_t>(flags);
}

std::optional<std::uint16_t> port(const explain::Cell& cell) {
    if (cell.is_null()) return std::nullopt;
    return static_cast<std::uint16_t>(cell.number());
}

explain::Cell text_or_null(std::string text) {
    explain::Cell cell;
    if (text.empty()) return cell;
    cell.kind = Value::Kind::text;
    cell.text = std::move(text);
    return cell;
}

}  // namespace

std::optional<facts::FirewallVerdict::Answer> FirewallFunctions::ask(
    std::span<const explain::Cell> arguments) {
    if (!rules_) return std::nullopt;
    if (!verdict_) verdict_.emplace(*rules_);
    facts::DroppedPacket packet;
    packet.netns = static_cast<std::uint32_t>(arguments[0].number());
    packet.direction = arguments[1].as_text();
    packet.iif = arguments[2].as_text();
    packet.oif = arguments[3].as_text();
    packet.source = arguments[4].as_text();
    packet.destination = arguments[5].as_text();
    packet.protocol = arguments[6].as_text();
    packet.source_port = port(arguments[7]);
    packet.destination_port = port(arguments[8]);
    if (arguments.size() > 10) {
        packet.tcp_flags = tcp_flags(arguments[9]);
        if (!arguments[10].is_null()) packet.length = static_cast<std::uint32_t>(arguments[10].number());
    }
    return verdict_->dropped_by(packet);
}

Result<void> FirewallFunctions::add_to(explain::Sql& sql) {
    for (const int count : argument_counts) {
        auto added =
            sql.add_function("firewall_verdict", count, [this](std::span<const explain::Cell> arguments) {
                const auto answer = ask(arguments);
                return text_or_null(answer ? answer->rule_id : "");
            });
        if (!added) return added;
        added =
            sql.add_function("firewall_confidence", count, [this](std::span<const explain::Cell> arguments) {
                const auto answer = ask(arguments);
                return text_or_null(answer ? answer->confidence : "");
            });
        if (!added) return added;
    }
    return {};
}

}  // namespace waggle::agent
