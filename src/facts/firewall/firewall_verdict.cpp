// SPDX-License-Identifier: Apache-2.0
#include "facts/firewall/firewall_verdict.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <tuple>

#include "facts/firewall/firewall_packet.h"

namespace waggle::facts {
namespace {

struct Rule {
    std::string id;
    std::string text;
    std::string expression;
    std::string verdict;
    std::uint32_t position = 0;
    std::int64_t counted = null_i64;  // in the time that is looked at; null_i64: no counter, or not known
    bool gone = false;                // no longer in force
    std::unique_ptr<FirewallMatch> match;  // made when first asked
};

struct Chain {
    std::string backend, family, hook, policy, policy_id;
    std::vector<std::string> devices;  // netdev chains see only these
    std::int32_t priority = 0;
    std::int64_t policy_counted = null_i64;
    bool gone = false;
    std::vector<Rule> rules;
};

using ChainKey =
    std::tuple<std::string, std::string, std::string, std::string>;  // backend family table chain

struct Namespace {
    std::map<ChainKey, Chain> chains;
    std::map<std::string, std::vector<std::map<ChainKey, Chain>::iterator>, std::less<>> bases;  // by hook
};

constexpr int most_depth = 16;  // the kernel's own limit for jumps

bool is_ip_family(std::string_view family) { return family == "ip" || family == "ip6" || family == "inet"; }

// Whether the chain can be where the packet was dropped.
bool sees(const Chain& chain, const FirewallPacket& packet, const FirewallPlace& place) {
    using Who = FirewallPlace::Who;
    const bool nft = chain.backend == "nftables";
    if (place.who == Who::nftables && !nft) return false;
    if (place.who == Who::another && nft) return false;
    if (nft && !place.table_family.empty() && chain.family != place.table_family) return false;
    if (!place.hook_family.empty()) {
        const bool at_device = chain.hook == "ingress" || chain.hook == "egress";
        const std::string_view own = at_device                    ? "netdev"
                                     : is_ip_family(chain.family) ? "ip"
                                                                  : std::string_view(chain.family);
        if (own != place.hook_family) return false;
    }
    const std::string& device = chain.hook == "egress" ? packet.oif : packet.iif;
    if (!chain.devices.empty() && !device.empty() &&
        std::find(chain.devices.begin(), chain.devices.end(), device) == chain.devices.end())
        return false;
    if (!is_ip_family(chain.family) || chain.family == "inet") return true;
    if (packet.source.family == 0) return true;
    return chain.family == (packet.is_v4() ? "ip" : "ip6");
}

// One walk of a packet through the hooks of one direction.
class Walk {
  public:
    using Suspect = FirewallVerdict::Suspect;

    // `by_counters`: what counters say is believed.
    Walk(Namespace& netns, const FirewallPacket& packet, const FirewallPlace& place, bool by_counters)
        : netns_(netns), packet_(packet), place_(place), by_counters_(by_counters) {}

    const std::vector<Suspect>& suspects() const { return suspects_; }

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
                if (sees(bases[i]->second, packet_, place_))
                    all_pass &= run_base(bases[i]->first, bases[i]->second);
            --i;
            goes_on = all_pass;
        }
        return goes_on;
    }

  private:
    enum class Flow { falls_through, ends };  // can the packet reach what comes behind?

    bool run_base(const ChainKey& key, Chain& chain) {
        accepted_ = false;
        detour_.reset();
        first_exit_id_.clear();
        if (run(key, chain, 0) == Flow::ends) return accepted_;
        if (chain.policy != "drop" || (by_counters_ && chain.policy_counted == 0)) return true;
        Suspect suspect;
        suspect.rule_id = chain.policy_id;
        suspect.sure = !unsure_ && !chain.gone;
        suspect.gone = chain.gone;
        if (chain.policy_counted != null_i64) suspect.counted = chain.policy_counted;
        suspect.detour = detour_;
        suspect.first_exit_id = first_exit_id_;
        note(std::move(suspect));
        return accepted_ || unsure_ || chain.gone;
    }

    void note(Suspect suspect) {
        for (Suspect& known : suspects_) {
            if (known.rule_id != suspect.rule_id) continue;
            known.sure |= suspect.sure;
            return;
        }
        suspects_.push_back(std::move(suspect));
    }

    Flow run(const ChainKey& key, Chain& chain, int depth) {
        if (depth > most_depth) {
            unsure_ = true;
            return Flow::falls_through;
        }
        for (std::size_t i = 0; i < chain.rules.size(); ++i) {
            Rule& rule = chain.rules[i];
            const bool assumed = packet_.assumed_state;
            const Evaluation evaluation = match_of(chain, rule).evaluate(packet_);
            if (by_counters_ && rule.counted == 0) {
                packet_.assumed_state = assumed;  // the counter decides, and nothing is assumed
                // A rule that would have counted the packet and counted nothing: none came so far.
                if (evaluation.reaches_counter == Tri::yes) return Flow::ends;
                if (evaluation.reaches_counter == Tri::maybe) continue;
            }
            for (const Outcome& outcome : evaluation.outcomes) {
                const bool leads_away =
                    outcome.kind == Outcome::Kind::return_ || outcome.kind == Outcome::Kind::go_to;
                if (leads_away && depth == 0 && first_exit_id_.empty() && !rule.gone)
                    first_exit_id_ = rule.id;
                const std::optional<Flow> flow = follow(outcome, evaluation, rule, key, depth);
                if (!flow) continue;
                if (leads_away && *flow == Flow::falls_through) note_detour(key, chain, i, depth);
                return *flow;
            }
        }
        return Flow::falls_through;
    }

    static const FirewallMatch& match_of(const Chain& chain, Rule& rule) {
        if (!rule.match)
            rule.match = chain.backend == "nftables" ? make_nft_match(rule.expression, rule.verdict)
                                                     : make_iptables_match(rule.text, rule.expression);
        return *rule.match;
    }

    // What the rest of a chain would do with the packet.
    struct Rest {
        Tri accepts = Tri::no;
        std::string by;     // the rule that surely accepts
        bool ends = false;  // the packet surely comes no further
    };

    // Rule `at` led the packet away: whether the rules behind it would have let it through.
    void note_detour(const ChainKey& key, Chain& chain, std::size_t at, int depth) {
        if (detour_ && !detour_->passed_over_id.empty()) return;
        const bool assumed = packet_.assumed_state;
        const Rest rest = rest_of(key, chain, at + 1, depth);
        packet_.assumed_state = assumed;
        if (rest.accepts == Tri::no) return;
        if (!detour_ || !rest.by.empty()) detour_ = Detour{chain.rules[at].id, rest.by};
    }

    Rest rest_of(const ChainKey& key, Chain& chain, std::size_t from, int depth) {
        Rest rest;
        if (depth > most_depth) return {Tri::maybe, {}, false};
        for (std::size_t i = from; i < chain.rules.size() && !rest.ends; ++i) {
            Rule& rule = chain.rules[i];
            if (rule.gone) continue;
            for (const Outcome& outcome : match_of(chain, rule).evaluate(packet_).outcomes) {
                const bool sure = outcome.happens == Tri::yes;
                switch (outcome.kind) {
                    case Outcome::Kind::accept:
                        if (sure && rest.accepts == Tri::no) return {Tri::yes, rule.id, true};
                        rest.accepts = Tri::maybe;
                        rest.ends |= sure;
                        break;
                    case Outcome::Kind::drop:
                    case Outcome::Kind::reject:
                    case Outcome::Kind::tarpit:
                    case Outcome::Kind::leaves:
                        if (sure) return {rest.accepts, {}, true};
                        break;
                    case Outcome::Kind::return_:
                        if (sure) return rest;
                        break;
                    case Outcome::Kind::jump:
                    case Outcome::Kind::go_to: {
                        ChainKey target = key;
                        std::get<3>(target) = outcome.target;
                        const auto next = netns_.chains.find(target);
                        if (next == netns_.chains.end()) break;
                        Rest inside = rest_of(target, next->second, 0, depth + 1);
                        if (sure && inside.accepts == Tri::yes && rest.accepts == Tri::no) return inside;
                        if (inside.accepts != Tri::no) rest.accepts = Tri::maybe;
                        if (sure && inside.ends) return {rest.accepts, {}, true};
                        if (sure && outcome.kind == Outcome::Kind::go_to) return rest;
                        break;
                    }
                }
            }
        }
        return rest;
    }

    void suspect(const Outcome& outcome, const Evaluation& evaluation, const Rule& rule) {
        Suspect suspect;
        suspect.rule_id = rule.id;
        suspect.how = outcome.kind;
        suspect.gone = rule.gone;
        suspect.sure = outcome.happens == Tri::yes && !unsure_ && !rule.gone;
        if (rule.counted != null_i64 && rule.match->counts_its_verdict()) suspect.counted = rule.counted;
        suspect.detour = detour_;
        if (outcome.happens == Tri::yes) {
            suspect.elements = path_elements_;
            suspect.elements.insert(suspect.elements.end(), evaluation.elements.begin(),
                                    evaluation.elements.end());
        }
        note(std::move(suspect));
    }

    // Nothing: the next outcome or rule is tried.
    std::optional<Flow> follow(const Outcome& outcome, const Evaluation& evaluation, const Rule& rule,
                               const ChainKey& key, int depth) {
        const bool sure = outcome.happens == Tri::yes && !rule.gone;
        switch (outcome.kind) {
            case Outcome::Kind::drop:
            case Outcome::Kind::reject:
            case Outcome::Kind::tarpit:
                suspect(outcome, evaluation, rule);
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
                const std::size_t elements = path_elements_.size();
                // Of a way that leads here, only a verdict map's element decides; other sets name services.
                if (outcome.happens == Tri::yes && rule.verdict == "vmap")
                    path_elements_.insert(path_elements_.end(), evaluation.elements.begin(),
                                          evaluation.elements.end());
                const Flow inside = run(target, chain->second, depth + 1);
                path_elements_.resize(elements);
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
    const FirewallPlace& place_;
    bool by_counters_;
    std::vector<Suspect> suspects_;
    std::vector<SetElement> path_elements_;  // that led to the chain that runs
    bool unsure_ = false;                    // a comparison on the way had no answer
    bool accepted_ = false;                  // the base chain that runs can have accepted it
    std::optional<Detour> detour_;           // of the base chain that runs
    std::string first_exit_id_;              // of the base chain that runs
};

struct Hook {
    std::string_view name;
    bool has_iif, has_oif;
};
struct Direction {
    std::string_view name;
    std::vector<Hook> hooks;
};

std::vector<FirewallVerdict::Suspect> walk(Namespace& netns, const DroppedPacket& dropped, bool by_counters) {
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
    const std::string& at = dropped.place.hook;
    const auto fits = [&](const Direction& d) { return d.name == dropped.direction; };
    const auto has_hook = [&](const Direction& d) {
        return std::any_of(d.hooks.begin(), d.hooks.end(), [&](const Hook& hook) { return hook.name == at; });
    };
    bool direction_known = std::any_of(std::begin(directions), std::end(directions), fits);
    // The hook says more than the direction, which is taken from the packet's route.
    if (direction_known && !at.empty())
        direction_known = std::any_of(std::begin(directions), std::end(directions),
                                      [&](const Direction& d) { return fits(d) && has_hook(d); });
    std::vector<FirewallVerdict::Suspect> all;
    for (const Direction& direction : directions) {
        if (direction_known ? !fits(direction) : !at.empty() && !has_hook(direction)) continue;
        FirewallPacket packet = dropped.packet;
        Walk walk(netns, packet, dropped.place, by_counters);
        for (const Hook& hook : direction.hooks) {
            if (!dropped.place.hook.empty() && hook.name != dropped.place.hook) continue;
            packet.has_iif = hook.has_iif;
            packet.has_oif = hook.has_oif;
            if (!walk.pass(hook.name)) break;
        }
        for (FirewallVerdict::Suspect suspect : walk.suspects()) {
            suspect.sure &= (direction_known || !at.empty()) && !packet.assumed_state;
            if (std::none_of(all.begin(), all.end(),
                             [&](const auto& known) { return known.rule_id == suspect.rule_id; }))
                all.push_back(std::move(suspect));
        }
    }
    return all;
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

    void add(const Row& row, const Schema& schema, bool gone) {
        Namespace& netns = namespaces[static_cast<std::uint32_t>(number_of_field(row, schema, "netns"))];
        ChainKey key(text_of(row, schema, "backend"), text_of(row, schema, "family"),
                     text_of(row, schema, "table_name"), text_of(row, schema, "chain"));
        Chain& chain = netns.chains[key];
        chain.backend = std::get<0>(key);
        chain.family = std::get<1>(key);
        const std::string id = text_of(row, schema, "id");
        const Field* moved = schema.find("packets_delta");
        const std::int64_t counted = moved ? row.i64(*moved) : null_i64;
        if (number_of_field(row, schema, "handle") == 0) {
            if (gone && !chain.policy_id.empty()) return;
            chain.gone = gone;
            chain.hook = text_of(row, schema, "hook");
            chain.policy = text_of(row, schema, "policy");
            chain.policy_id = id;
            chain.policy_counted = counted;
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
        rule.counted = counted;
        rule.gone = gone;
        chain.rules.push_back(std::move(rule));
    }
};

FirewallVerdict::FirewallVerdict(const Relation& rules, const Relation* past)
    : state_(std::make_unique<State>()) {
    Row row;
    const auto cursor = rules.open();
    while (cursor->next(row)) state_->add(row, rules.schema(), false);
    if (past) {
        const auto gone = past->open();
        while (gone->next(row)) state_->add(row, past->schema(), true);
    }
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

FirewallVerdict::Suspects FirewallVerdict::suspects(const DroppedPacket& dropped) const {
    const auto netns = state_->namespaces.find(dropped.netns);
    if (netns == state_->namespaces.end()) return {};
    Suspects suspects{walk(netns->second, dropped, true), false};
    if (!suspects.all.empty()) return suspects;
    suspects.all = walk(netns->second, dropped, false);
    suspects.contradicted = !suspects.all.empty();
    return suspects;
}

bool FirewallVerdict::drops_all_alike(const DroppedPacket& dropped, const std::string& rule_id) const {
    const auto netns = state_->namespaces.find(dropped.netns);
    if (netns == state_->namespaces.end()) return false;
    DroppedPacket alike = dropped;
    FirewallPacket& packet = alike.packet;
    packet.tcp_flags.reset();
    packet.length.reset();
    packet.icmp_type.reset();
    packet.ttl.reset();
    packet.tos.reset();
    packet.mark.reset();
    packet.mac.reset();
    packet.link_type.reset();
    packet.ct_mark.reset();
    packet.ct_status.reset();
    packet.source_port.reset();  // each connection has its own
    if (packet.ct_state == ct_invalid) packet.ct_state.reset();
    const auto suspects = walk(netns->second, alike, true);
    return suspects.size() == 1 && suspects.front().sure && suspects.front().rule_id == rule_id;
}

bool FirewallVerdict::drops_answers_alike(const DroppedPacket& dropped, const std::string& rule_id) const {
    DroppedPacket answer = dropped;
    FirewallPacket& packet = answer.packet;
    std::swap(packet.source, packet.destination);
    std::swap(packet.iif, packet.oif);
    std::swap(packet.source_port, packet.destination_port);
    packet.destination_port.reset();
    packet.destination_type.reset();
    packet.uid.reset();
    packet.ct_state = ct_established;
    packet.ct_reply = true;
    return drops_all_alike(answer, rule_id);
}

bool FirewallVerdict::has_rules(std::uint32_t netns) const {
    const auto found = state_->namespaces.find(netns);
    return found != state_->namespaces.end() && !found->second.bases.empty();
}

}  // namespace waggle::facts
