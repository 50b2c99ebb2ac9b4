// SPDX-License-Identifier: Apache-2.0
#include "agent/firewall_functions.h"

namespace waggle::agent {
namespace {

constexpr int argument_count = 9;

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
    return verdict_->dropped_by(packet);
}

Result<void> FirewallFunctions::add_to(explain::Sql& sql) {
    auto added = sql.add_function("firewall_verdict", argument_count,
                                  [this](std::span<const explain::Cell> arguments) {
                                      const auto answer = ask(arguments);
                                      return text_or_null(answer ? answer->rule_id : "");
                                  });
    if (!added) return added;
    return sql.add_function("firewall_confidence", argument_count,
                            [this](std::span<const explain::Cell> arguments) {
                                const auto answer = ask(arguments);
                                return text_or_null(answer ? answer->confidence : "");
                            });
}

}  // namespace waggle::agent
