// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/put.h"
#include "base/text.h"
#include "facts/firewall/firewall_rule.h"
#include "facts/firewall/nft_json.h"
#include "facts/network/rtnetlink.h"
#include "host/netlink.h"

namespace waggle::facts {
namespace {

using Json = nlohmann::json;

constexpr std::size_t most_elements = 65536;  // of a named set that is kept for the verdict

// What only the text tells: the rules' words by family, table and handle; and what nft 1.0's JSON leaves out.
struct Texts {
    std::map<std::tuple<std::string, std::string, std::uint64_t>, std::string> rules;
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<std::string>>
        devices;  // of a chain
    std::set<std::pair<std::string, std::string>> dormant;
};

// `type filter hook ingress device "lo" priority 0;` or `devices = { "a", "b" }`
std::vector<std::string> devices_of(std::string_view line) {
    std::vector<std::string> devices;
    if (line.find(" device") == std::string_view::npos) return devices;
    const auto words = split(line, '"');
    for (std::size_t i = 1; i < words.size(); i += 2) devices.emplace_back(words[i]);
    return devices;
}

// A rule may run over several lines; it ends with its handle.
Texts parse_texts(std::string_view text) {
    Texts texts;
    std::string family, table, chain, rule;
    for (const std::string_view line : split(text, '\n')) {
        if (line.starts_with("table ")) {
            const auto words = split(line, ' ');
            if (words.size() > 2) family = words[1], table = words[2];
        } else if (!line.starts_with("\t\t")) {
            const auto words = split(trim(line), ' ');
            chain = line.starts_with("\tchain ") && words.size() > 1 ? words[1] : std::string_view();
            rule.clear();
            if (line.starts_with("\tflags ") && line.find("dormant") != std::string_view::npos)
                texts.dormant.emplace(family, table);
        } else if (!chain.empty()) {
            if (rule.empty() && line.starts_with("\t\ttype "))
                texts.devices[{family, table, chain}] = devices_of(line);
            else if (!rule.empty() || !line.starts_with("\t\tcomment "))
                rule.append(rule.empty() ? "" : " ").append(trim(line));
            constexpr std::string_view mark = " # handle ";
            const std::size_t end = rule.rfind(mark);
            if (end == std::string::npos) continue;
            const std::string_view handle = std::string_view(rule).substr(end + mark.size());
            if (handle.empty() || handle.find_first_not_of("0123456789") != std::string_view::npos) continue;
            texts.rules[{family, table, number_of<std::uint64_t>(handle)}] = rule.substr(0, end);
            rule.clear();
        }
    }
    return texts;
}

void find_set_names(const Json& node, std::set<std::string>& names) {
    if (node.is_string()) {
        const auto& text = node.get_ref<const std::string&>();
        if (text.size() > 1 && text.front() == '@') names.insert(text.substr(1));
    } else if (node.is_structured()) {
        for (const Json& child : node) find_set_names(child, names);
    }
}

struct Ruleset {
    std::map<std::pair<std::string, std::string>, std::map<std::string, Json>> sets;  // by family and table
    std::map<std::tuple<std::string, std::string, std::string>, FirewallRule> chains;
    std::map<std::tuple<std::string, std::string, std::string>, std::uint32_t> lengths;
};

Json kept_set(const Json& set) {
    const auto elements = set.find("elem");
    Json kept = {{"elem", Json::array()}};
    // Elements with a time-out, or added by rules, come and go between two looks.
    const auto flags = set.find("flags");
    if (set.contains("timeout") ||
        (flags != set.end() && (flags->dump().find("timeout") != std::string::npos ||
                                flags->dump().find("dynamic") != std::string::npos)))
        kept["fleeting"] = true;
    if (elements == set.end()) return kept;
    if (!elements->is_array() || elements->size() > most_elements) return {{"unknown", true}};
    kept["elem"] = *elements;
    return kept;
}

std::string verdict_of(const Json& statement) {
    if (!statement.is_object() || statement.empty()) return {};
    const std::string& key = statement.begin().key();
    const Json& value = statement.begin().value();
    if (key == "jump" || key == "goto") return key + " " + text_at(value, "target");
    if (key == "xt") {
        const std::string name = value.is_object() ? text_at(value, "name") : std::string();
        if (!value.is_object() || text_at(value, "type") != "target") return {};
        return name == "REJECT" ? "reject" : name == "DROP" ? "drop" : name;
    }
    for (const std::string_view terminal :
         {"accept", "drop", "reject", "return", "vmap", "queue", "masquerade", "redirect", "dnat", "snat"})
        if (key == terminal) return key;
    return {};
}

void read_statements(const Json& statements, FirewallRule& rule) {
    for (const Json& statement : statements) {
        if (const std::string verdict = verdict_of(statement); !verdict.empty()) rule.verdict = verdict;
        if (!statement.is_object()) continue;
        const auto counter = statement.find("counter");
        if (counter == statement.end() || !counter->is_object()) continue;
        rule.packets = number_at(*counter, "packets");
        rule.bytes = number_at(*counter, "bytes");
    }
}

void add_chain(const Json& chain, const Texts& texts, Ruleset& ruleset) {
    FirewallRule base;
    base.backend = "nftables";
    base.family = text_at(chain, "family");
    base.table = text_at(chain, "table");
    base.chain = text_at(chain, "name");
    base.hook = text_at(chain, "hook");
    base.priority = static_cast<std::int32_t>(number_at(chain, "prio"));
    base.policy = text_at(chain, "policy");
    if (!base.hook.empty() && base.policy.empty()) base.policy = "accept";
    base.rule = "policy " + base.policy;
    base.verdict = base.policy;
    auto key = std::make_tuple(base.family, base.table, base.chain);
    if (const auto devices = texts.devices.find(key);
        devices != texts.devices.end() && !devices->second.empty())
        base.expression =
            Json{{"devices", devices->second}}.dump(-1, ' ', false, Json::error_handler_t::replace);
    ruleset.chains[std::move(key)] = std::move(base);
}

FirewallRule make_rule(const Json& json, Ruleset& ruleset, const Texts& texts) {
    FirewallRule rule;
    const auto key = std::make_tuple(text_at(json, "family"), text_at(json, "table"), text_at(json, "chain"));
    if (const auto chain = ruleset.chains.find(key); chain != ruleset.chains.end()) rule = chain->second;
    rule.backend = "nftables";
    std::tie(rule.family, rule.table, rule.chain) = key;
    rule.verdict.clear();
    rule.expression.clear();
    rule.handle = static_cast<std::uint64_t>(number_at(json, "handle"));
    rule.position = ++ruleset.lengths[key];
    const auto text = texts.rules.find({rule.family, rule.table, rule.handle});
    rule.rule = text != texts.rules.end() ? text->second : std::string();
    const auto statements = json.find("expr");
    if (statements == json.end() || !statements->is_array()) return rule;
    read_statements(*statements, rule);
    Json expression = {{"expr", *statements}};
    std::set<std::string> names;
    find_set_names(*statements, names);
    const auto& sets = ruleset.sets[{rule.family, rule.table}];
    for (const std::string& name : names)
        if (const auto set = sets.find(name); set != sets.end()) expression["sets"][name] = set->second;
    rule.expression = expression.dump(-1, ' ', false, Json::error_handler_t::replace);
    return rule;
}

struct Tables {
    std::vector<std::string> in_force;  // "inet fw"
    bool any_dormant = false;
    bool denied = false;
};

std::string_view family_name(std::uint8_t family) {
    struct Family {
        std::uint8_t number;
        std::string_view name;
    };
    static constexpr Family families[] = {{NFPROTO_INET, "inet"},     {NFPROTO_IPV4, "ip"},
                                          {NFPROTO_ARP, "arp"},       {NFPROTO_NETDEV, "netdev"},
                                          {NFPROTO_BRIDGE, "bridge"}, {NFPROTO_IPV6, "ip6"}};
    for (const Family& one : families)
        if (one.number == family) return one.name;
    return {};
}

Tables list_tables() {
    Tables tables;
    auto netlink = Netlink::open(NETLINK_NETFILTER);
    if (!netlink) return tables;
    const nfgenmsg request{};
    const auto dumped = netlink->dump(
        NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, bytes_of(request), [&](const NetlinkMessage& message) {
            if (message.body.size() < sizeof(nfgenmsg)) return;
            std::string name;
            std::uint32_t flags = 0;
            each_attribute(message.body.subspan(sizeof(nfgenmsg)), [&](std::uint16_t type, Bytes value) {
                if (type == NFTA_TABLE_NAME) name = netlink_text(value);
                if (type == NFTA_TABLE_FLAGS) flags = ntohl(netlink_u32(value));
            });
            const auto family = family_name(load<nfgenmsg>(message.body).nfgen_family);
            if (flags & NFT_TABLE_F_DORMANT)
                tables.any_dormant = true;
            else
                tables.in_force.push_back(std::string(family) + " " + name);
        });
    tables.denied = !dumped && dumped.error().kind == ErrorKind::privilege;
    return tables;
}

}  // namespace

Result<std::vector<FirewallRule>> parse_nft_ruleset(std::string_view json, std::string_view text) {
    const Json document = Json::parse(json, nullptr, false);
    if (!document.is_object()) return Error{"nftables gave text that is not JSON"};
    const auto list = document.find("nftables");
    if (list == document.end() || !list->is_array()) return Error{"nftables gave JSON without rules"};

    const Texts texts = parse_texts(text);
    Ruleset ruleset;
    for (const Json& entry : *list) {
        if (!entry.is_object() || entry.empty()) continue;
        const std::string& kind = entry.begin().key();
        const Json& value = entry.begin().value();
        if (!value.is_object()) continue;
        if (kind == "chain") add_chain(value, texts, ruleset);
        if (kind == "set" || kind == "map")
            ruleset.sets[{text_at(value, "family"), text_at(value, "table")}][text_at(value, "name")] =
                kept_set(value);
    }
    std::vector<FirewallRule> rules;
    const auto in_force = [&](const FirewallRule& rule) {
        return !texts.dormant.contains({rule.family, rule.table});
    };
    for (const Json& entry : *list) {
        if (!entry.is_object()) continue;
        const auto value = entry.find("rule");
        if (value == entry.end() || !value->is_object()) continue;
        FirewallRule rule = make_rule(*value, ruleset, texts);
        if (in_force(rule)) rules.push_back(std::move(rule));
    }
    for (auto& [key, chain] : ruleset.chains) {
        if (chain.hook.empty() || !in_force(chain)) continue;
        chain.position = ruleset.lengths[key] + 1;
        rules.push_back(std::move(chain));
    }
    return rules;
}

Result<std::vector<FirewallRule>> read_nft_rules() {
    const Tables tables = list_tables();
    std::vector<FirewallRule> all;
    // Where the privilege is missing, libnftables says so.
    if (tables.in_force.empty() && !tables.denied) return all;
    const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> nft(nft_ctx_new(NFT_CTX_DEFAULT), nft_ctx_free);
    if (!nft) return Error{"libnftables cannot be opened"};
    nft_ctx_buffer_output(nft.get());
    nft_ctx_buffer_error(nft.get());
    const auto list = [&](const std::string& command, unsigned flags) -> Result<std::string> {
        nft_ctx_output_set_flags(nft.get(), flags);
        if (nft_run_cmd_from_buffer(nft.get(), command.c_str()) != 0) {
            const std::string_view reason = trim(nft_ctx_get_error_buffer(nft.get()));
            const bool denied = reason.find("not permitted") != std::string_view::npos;
            return Error{fmt::format("cannot list the nftables rules: {}", reason),
                         denied ? ErrorKind::privilege : ErrorKind::failed};
        }
        return std::string(nft_ctx_get_output_buffer(nft.get()));
    };
    // libnftables 1.0.6 writes a dormant table's flags into its JSON from memory it did not set, so such a
    // table must not be listed.
    std::vector<std::string> commands = {"list ruleset"};
    if (tables.any_dormant) {
        commands.clear();
        for (const std::string& table : tables.in_force) commands.push_back("list table " + table);
    }
    for (const std::string& command : commands) {
        const auto json =
            list(command, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_NUMERIC_ALL);
        if (!json) return json.error();
        const auto text = list(command, NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_STATELESS);
        if (!text) return text.error();
        auto rules = parse_nft_ruleset(*json, *text);
        if (!rules) return rules.error();
        all.insert(all.end(), std::make_move_iterator(rules->begin()), std::make_move_iterator(rules->end()));
    }
    give_iptables_words(all);
    give_ipsets(all);
    return all;
}

}  // namespace waggle::facts
