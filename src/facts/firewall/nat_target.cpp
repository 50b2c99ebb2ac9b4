// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall/nat_target.h"

#include <nlohmann/json.hpp>

#include "base/put.h"
#include "base/text.h"

namespace waggle::facts {
namespace {

using Json = nlohmann::json;

void read_port(std::string_view text, NatTarget& target) {
    if (text.empty()) return;
    if (text.find_first_not_of("0123456789") == std::string_view::npos)
        target.port = number_of<std::uint16_t>(text);
    else
        target.is_whole = false;  // a range
}

// "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]:80", ":80"
void read_goal(std::string_view text, NatTarget& target) {
    const std::size_t close = text.find(']');
    std::size_t colon = text.rfind(':');
    const bool v6 = text.find(':') != colon && close == std::string_view::npos;
    if (v6 || (close != std::string_view::npos && colon < close)) colon = std::string_view::npos;
    std::string_view host = text.substr(0, colon);
    if (host.starts_with('[')) host = host.substr(1, host.find(']') - 1);
    if (!host.empty()) {
        target.address = parse_address(host);
        if (!target.address.family) target.is_whole = false;
    }
    if (colon != std::string_view::npos) read_port(text.substr(colon + 1), target);
}

std::optional<NatTarget> of_iptables(std::string_view rule) {
    NatTarget target;
    const auto words = split(rule, ' ');
    bool rewrites = false;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i] == "-j") {
            target.here = words[i + 1] == "REDIRECT";
            rewrites = target.here || words[i + 1] == "DNAT";
        }
        if (rewrites && words[i] == "--to-destination") read_goal(words[i + 1], target);
        if (rewrites && words[i] == "--to-ports") read_port(words[i + 1], target);
    }
    if (!rewrites) return {};
    return target;
}

std::optional<NatTarget> of_nft(const Json& statements) {
    for (const Json& statement : statements) {
        if (!statement.is_object() || statement.empty()) continue;
        const std::string& key = statement.begin().key();
        if (key != "dnat" && key != "redirect") continue;
        const Json& value = statement.begin().value();
        NatTarget target;
        target.here = key == "redirect";
        if (!value.is_object()) return target;
        if (const auto address = value.find("addr"); address != value.end()) {
            if (address->is_string()) target.address = parse_address(address->get_ref<const std::string&>());
            if (!target.address.family) target.is_whole = false;
        }
        if (const auto port = value.find("port"); port != value.end()) {
            if (port->is_number_unsigned())
                target.port = port->get<std::uint16_t>();
            else
                target.is_whole = false;
        }
        return target;
    }
    return {};
}

}  // namespace

std::optional<NatTarget> nat_target(std::string_view backend, std::string_view verdict, std::string_view rule,
                                    std::string_view expression) {
    if (backend != "nftables") {
        if (verdict != "DNAT" && verdict != "REDIRECT") return {};
        return of_iptables(rule);
    }
    if (verdict != "dnat" && verdict != "redirect" && verdict != "DNAT" && verdict != "REDIRECT") return {};
    const Json document = Json::parse(expression, nullptr, false);
    if (!document.is_object()) return {};
    if (const auto own = document.find("iptables"); own != document.end() && own->is_string())
        return of_iptables(own->get_ref<const std::string&>());
    const auto statements = document.find("expr");
    if (statements == document.end() || !statements->is_array()) return {};
    return of_nft(*statements);
}

bool is_at(const NatTarget& target, const waggle_address& address, std::uint16_t port) {
    if (!target.is_whole) return false;
    if (target.address.family &&
        (target.address.family != address.family || compare(target.address, address) != 0))
        return false;
    if (target.port && *target.port != port) return false;
    return target.here ? target.port.has_value() : target.address.family != 0 || target.port.has_value();
}

}  // namespace waggle::facts
