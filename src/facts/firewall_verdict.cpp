// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall_verdict.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

#include "facts/firewall_match.h"
#include "facts/firewall_packet.h"

namespace waggle::facts {
namespace {

struct Rule {
    std::string id;
    std::string text;
    std::string expression;
    std::string verdict;
    std::uint32_t position = 0;
    bool stood_still = false;              // its counter did not move in the window: it matched nothing
    std::unique_ptr<FirewallMatch> match;  // made when first asked
};

struct Chain {
    std::string backend, family, hook, policy, policy_id;
    std::vector<std::string> devices;  // netdev chains see only these
    std::int32_t priority = 0;
    bool policy_stood_still = false;
    std::vector<Rule> rules;
};

using ChainKey =
    std::tuple<std::string, std::string, std::string, std::string>;  // backend family table chain

struct Namespace {
    std::map<ChainKey, Chain> chains;
    std::map<std::string, std::vector<std::map<ChainKey, Chain>::iterator>, std::less<>> bases;  // by hook
    bool rewrites = false;  // some rule changes addresses on the way
};

constexpr int most_depth = 16;  // the kernel's own limit for jumps

bool sees(const Chain& chain, const FirewallPacket& packet) {
    if (chain.family == "inet") return true;
    if (chain.family == "netdev")
        return packet.iif.empty() || chain.devices.empty() ||
               std::find(chain.devices.begin(), chain.devices.end(), packet.iif) != chain.devices.end();
    if (packet.source.family == 0) return chain.family == "ip" || chain.family == "ip6";
    return chain.family == (packet.is_v4() ? "ip" : "ip6");
}

// One walk of a packet through the hooks of one direction.
class Walk {
  public:
    struct Candidate {
        std::string id;
        bool certain;
    };

    // `by_counters`: rules whose counters stood still are taken for not matched.
    Walk(Namespace& netns, const FirewallPacket& packet, bool by_counters)
        : netns_(netns), packet_(packet), by_counters_(by_counters) {}

    const std::vector<Candidate>& candidates() const { return candidates_; }

    // False: the packet cannot have come further than this hook.
    bool pass(std::string_view hook) {
        const auto found = netns_.bases.find(hook);
        if (found == netns_.bases.end()) return true;
        const auto& bases = found->second;
        bool goes_on = true;
        for (std::size_t i = 0; i < bases.size() && goes_on; ++i) {
            // Chains of one priority run in the order they were made, which is not known: all of them count.
            const std::int32_t priority = bases[i]->second.priority;
            bool all_pass = true;
            for (; i < bases.size() && bases[i]->second.priority == priority; ++i)
                if (sees(bases[i]->second, packet_)) all_pass &= run_base(bases[i]->first, bases[i]->second);
            --i;
            goes_on = all_pass;
        }
        return goes_on;
    }

  private:
    enum class Flow { falls_through, ends };  // can the packet reach what comes behind?

    bool run_base(const ChainKey& key, Chain& chain) {
        accepted_ = false;
        if (run(key, chain, 0) == Flow::ends) return accepted_;
        if (chain.policy != "drop" || (by_counters_ && chain.policy_stood_still)) return true;
        note(chain.policy_id, Tri::yes);
        return accepted_ || unsure_;
    }

    void note(const std::string& id, Tri happens) {
        candidates_.push_back({id, happens == Tri::yes && !unsure_});
    }

    Flow run(const ChainKey& key, Chain& chain, int depth) {
        if (depth > most_depth) {
            unsure_ = true;
            return Flow::falls_through;
        }
        for (Rule& rule : chain.rules) {
            if (by_counters_ && rule.stood_still) continue;
            if (!rule.match)
                rule.match = chain.backend == "nftables" ? make_nft_match(rule.expression, rule.verdict)
                                                         : make_iptables_match(rule.text);
            for (const Outcome& outcome : rule.match->outcomes(packet_)) {
                const std::optional<Flow> flow = follow(outcome, rule, key, depth);
                if (flow) return *flow;
            }
        }
        return Flow::falls_through;
    }

    // Nothing: the next outcome or rule is tried.
    std::optional<Flow> follow(const Outcome& outcome, const Rule& rule, const ChainKey& key, int depth) {
        const bool sure = outcome.happens == Tri::yes;
        switch (outcome.kind) {
            case Outcome::Kind::drop:
                note(rule.id, outcome.happens);
                unsure_ |= !sure;
                if (sure) return Flow::ends;
                return {};
            case Outcome::Kind::accept:
                accepted_ = true;
                unsure_ |= !sure;
                if (sure) return Flow::ends;
                return {};
            case Outcome::Kind::leaves:
                unsure_ = true;
                if (sure) return Flow::ends;
                return {};
            case Outcome::Kind::return_:
                unsure_ |= !sure;
                if (sure) return Flow::falls_through;
                return {};
            case Outcome::Kind::jump:
            case Outcome::Kind::go_to: {
                ChainKey target = key;
                std::get<3>(target) = outcome.target;
                const auto chain = netns_.chains.find(target);
                if (chain == netns_.chains.end()) return {};  // a target that goes on, or an empty chain
                unsure_ |= !sure;
                const Flow inside = run(target, chain->second, depth + 1);
                if (!sure) return {};
                if (inside == Flow::ends) return Flow::ends;
                if (outcome.kind == Outcome::Kind::go_to) return Flow::falls_through;
                return {};
            }
        }
        return {};
    }

    Namespace& netns_;
    const FirewallPacket& packet_;
    bool by_counters_;
    std::vector<Candidate> candidates_;
    bool unsure_ = false;    // a comparison on the way had no answer
    bool accepted_ = false;  // the base chain that runs can have accepted it
};

FirewallPacket known_of(const DroppedPacket& dropped) {
    FirewallPacket packet;
    packet.iif = dropped.iif;
    packet.oif = dropped.oif;
    packet.source = parse_address(dropped.source);
    packet.destination = parse_address(dropped.destination);
    packet.protocol = protocol_number(dropped.protocol);
    packet.source_port = dropped.source_port;
    packet.destination_port = dropped.destination_port;
    packet.tcp_flags = dropped.tcp_flags;
    packet.length = dropped.length;
    return packet;
}

struct Suspects {
    std::set<std::string> ids;
    bool certain;
};

Suspects suspects_of(Namespace& netns, const DroppedPacket& dropped, bool by_counters) {
    struct Hook {
        std::string_view name;
        bool has_iif, has_oif;
    };
    struct Direction {
        std::string_view name;
        std::vector<Hook> hooks;
    };
    static const Direction directions[] = {
        {"in", {{"ingress", true, false}, {"prerouting", true, false}, {"input", true, false}}},
        {"forward",
         {{"ingress", true, false},
          {"prerouting", true, false},
          {"forward", true, true},
          {"postrouting", true, true},
          {"egress", false, true}}},
        {"out", {{"output", false, true}, {"postrouting", false, true}, {"egress", false, true}}},
    };
    const bool direction_known = std::any_of(std::begin(directions), std::end(directions),
                                             [&](const Direction& d) { return d.name == dropped.direction; });
    Suspects suspects{{}, direction_known && !netns.rewrites};
    for (const Direction& direction : directions) {
        if (direction_known && direction.name != dropped.direction) continue;
        FirewallPacket packet = known_of(dropped);
        Walk walk(netns, packet, by_counters);
        for (const Hook& hook : direction.hooks) {
            packet.has_iif = hook.has_iif;
            packet.has_oif = hook.has_oif;
            if (!walk.pass(hook.name)) break;
        }
        for (const Walk::Candidate& candidate : walk.candidates()) {
            suspects.ids.insert(candidate.id);
            suspects.certain &= candidate.certain;
        }
        suspects.certain &= !packet.assumed_state;
    }
    return suspects;
}

std::string text_of(const Row& row, const Schema& schema, std::string_view name) {
    const Field* field = schema.find(name);
    return field ? std::string(row.text(*field)) : std::string();
}
std::int64_t number_of_field(const Row& row, const Schema& schema, std::string_view name) {
    const Field* field = schema.find(name);
    return field ? row.i64(*field) : 0;
}

}  // namespace

struct FirewallVerdict::State {
    std::map<std::uint32_t, Namespace> namespaces;

    void add(const Row& row, const Schema& schema) {
        Namespace& netns = namespaces[static_cast<std::uint32_t>(number_of_field(row, schema, "netns"))];
        ChainKey key(text_of(row, schema, "backend"), text_of(row, schema, "family"),
                     text_of(row, schema, "table_name"), text_of(row, schema, "chain"));
        Chain& chain = netns.chains[key];
        chain.backend = std::get<0>(key);
        chain.family = std::get<1>(key);
        const std::string id = text_of(row, schema, "id");
        const Field* moved = schema.find("packets_delta");
        const bool stood_still = moved && row.i64(*moved) == 0;
        if (number_of_field(row, schema, "handle") == 0) {
            chain.hook = text_of(row, schema, "hook");
            chain.policy = text_of(row, schema, "policy");
            chain.policy_id = id;
            chain.policy_stood_still = stood_still;
            chain.priority = static_cast<std::int32_t>(number_of_field(row, schema, "priority"));
            const auto expression = nlohmann::json::parse(text_of(row, schema, "expression"), nullptr, false);
            if (expression.is_object() && expression.contains("devices") && expression["devices"].is_array())
                for (const auto& device : expression["devices"])
                    if (device.is_string()) chain.devices.push_back(device.get<std::string>());
            return;
        }
        Rule rule;
        rule.id = id;
        rule.text = text_of(row, schema, "rule");
        rule.expression = text_of(row, schema, "expression");
        rule.verdict = text_of(row, schema, "verdict");
        rule.position = static_cast<std::uint32_t>(number_of_field(row, schema, "position"));
        rule.stood_still = stood_still;
        netns.rewrites |= rule.expression.find("\"dnat\"") != std::string::npos ||
                          rule.expression.find("\"redirect\"") != std::string::npos ||
                          rule.verdict == "DNAT" || rule.verdict == "REDIRECT";
        chain.rules.push_back(std::move(rule));
    }
};

FirewallVerdict::FirewallVerdict(const Relation& rules) : state_(std::make_unique<State>()) {
    Row row;
    const auto cursor = rules.open();
    while (cursor->next(row)) state_->add(row, rules.schema());
    for (auto& [inode, netns] : state_->namespaces) {
        for (auto chain = netns.chains.begin(); chain != netns.chains.end(); ++chain) {
            std::stable_sort(chain->second.rules.begin(), chain->second.rules.end(),
                             [](const Rule& a, const Rule& b) { return a.position < b.position; });
            if (!chain->second.hook.empty()) netns.bases[chain->second.hook].push_back(chain);
        }
        for (auto& [hook, bases] : netns.bases)
            std::stable_sort(bases.begin(), bases.end(), [](const auto& a, const auto& b) {
                return a->second.priority < b->second.priority;
            });
    }
}

FirewallVerdict::FirewallVerdict(FirewallVerdict&&) noexcept = default;
FirewallVerdict& FirewallVerdict::operator=(FirewallVerdict&&) noexcept = default;
FirewallVerdict::~FirewallVerdict() = default;

std::optional<FirewallVerdict::Answer> FirewallVerdict::dropped_by(const DroppedPacket& dropped) const {
    const auto netns = state_->namespaces.find(dropped.netns);
    if (netns == state_->namespaces.end()) return {};
    Suspects suspects = suspects_of(netns->second, dropped, false);
    // Counters only decide between several: they may have been read a moment after the packet was dropped.
    if (suspects.ids.size() > 1) suspects = suspects_of(netns->second, dropped, true);
    if (suspects.ids.size() != 1) return {};
    return Answer{*suspects.ids.begin(), suspects.certain ? "certain" : "only candidate"};
}

}  // namespace waggle::facts
