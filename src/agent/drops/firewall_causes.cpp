// SPDX-License-Identifier: Apache-2.0
// What netfilter dropped: whose rule, or whose program.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "agent/drops/firewall_cause.h"
#include "store/fact_table.h"

namespace waggle::agent {
namespace {

using facts::FirewallPlace;
using facts::FirewallVerdict;
using facts::Outcome;
using Who = FirewallPlace::Who;

// More causes than this are not walked one by one; the smallest are then counted without a rule.
constexpr std::size_t most_walks = 2000;
constexpr double noise_per_second = 10;  // to one port that nobody listens on

// Drops that have the same suspects, and the same place as far as it is known.
struct Case {
    std::vector<FirewallVerdict::Suspect> suspects;
    bool contradicted = false;
    FirewallPlace place;
    std::vector<const Drop*> drops;
};

struct RuleRow {
    std::string backend, family, table, chain, rule;
    std::int64_t handle = 0;
    std::optional<std::int64_t> counted;
    bool is_nft() const { return backend == "nftables"; }
};

struct NetfilterProgram {
    std::string name, hook, family, comm;
    std::int64_t id = 0;
    std::uint32_t netns = 0;
};

const char* act_of(Outcome::Kind kind) {
    switch (kind) {
        case Outcome::Kind::reject:
            return "rejected";
        case Outcome::Kind::tarpit:
            return "held (tarpit)";
        case Outcome::Kind::drop:
        case Outcome::Kind::accept:
        case Outcome::Kind::jump:
        case Outcome::Kind::go_to:
        case Outcome::Kind::return_:
        case Outcome::Kind::leaves:
            return "dropped";
    }
    return "dropped";
}

class FirewallJudge {
  public:
    FirewallJudge(const DropInquiry& inquiry, std::vector<DropCause>& causes)
        : inquiry_(inquiry), causes_(causes) {}

    void judge() {
        for (const Drop& drop : inquiry_.scene.drops())
            if (drop.reason == "NETFILTER_DROP") drops_.push_back(&drop);
        if (drops_.empty()) return;
        read_rules();
        read_programs();
        find_suspects();
        for (auto& [key, one] : cases_) decide(one);
        for (const auto& [id, guilty] : convicted_) tell_rule(id, guilty);
        for (auto& [key, unknown] : unknown_) tell_unknown(unknown);
    }

  private:
    struct Unknown {
        std::vector<const Drop*> drops;
        std::set<std::string> suspects;
        FirewallPlace place;
        bool counters_disagree = false;
        std::optional<std::int64_t> suspect_counted;
    };

    // What connection tracking of a network namespace counted.
    struct Tracking {
        std::int64_t dropped = 0;  // for whatever reason
        std::int64_t clashed = 0;  // of these: for connections that could not stand beside those it has
        std::optional<std::int64_t> max;

        std::int64_t no_room() const { return dropped - clashed; }
    };

    struct Guilty {
        FirewallVerdict::Suspect suspect;
        std::vector<const Drop*> drops;
        std::int64_t of_others = 0;  // packets among them that it did not count itself
    };

    void read_rules() {
        const Relation* rules = inquiry_.tables.find("firewall_rules");
        if (!rules) return;
        const auto read = [&](const TableRow& row) {
            RuleRow& rule = rules_[row.text("id")];
            rule = {row.text("backend"),        row.text("family"), row.text("table_name"),
                    row.text("chain"),          row.text("rule"),   row.number_or_0("handle"),
                    row.number("packets_delta")};
        };
        inquiry_.tables.each("firewall_rules", read);
        inquiry_.tables.each("past_firewall_rules", read);
        if (const auto* fact = dynamic_cast<const FactTable*>(rules)) some_unread_ = !fact->problem().empty();
        verdict_.emplace(*rules, inquiry_.tables.find("past_firewall_rules"));
    }

    void read_programs() {
        inquiry_.tables.each("packet_programs", [&](const TableRow& row) {
            if (row.text("place") != "netfilter") return;
            programs_.push_back({row.text("name"), row.text("hook"), row.text("family"), row.text("comm"),
                                 row.number_or_0("program_id"),
                                 static_cast<std::uint32_t>(row.number_or_0("netns"))});
        });
        inquiry_.tables.each("net_counters", [&](const TableRow& row) {
            const std::string name = row.text("name");
            if (name != "ConntrackDrop" && name != "ConntrackInsertFailed") return;
            Tracking& tracking = tracking_[static_cast<std::uint32_t>(row.number_or_0("netns"))];
            (name == "ConntrackDrop" ? tracking.dropped : tracking.clashed) = row.number_or_0("value_delta");
        });
        inquiry_.tables.each("sysctls", [&](const TableRow& row) {
            if (row.text("name") == "net.netfilter.nf_conntrack_max")
                tracking_[static_cast<std::uint32_t>(row.number_or_0("netns"))].max = row.number("number");
        });
    }

    void find_suspects() {
        std::size_t walks = 0;
        for (const Drop* drop : drops_) {
            if (!verdict_ || walks >= most_walks || drop->samples.empty()) {
                // Without a sample the packet's own words are not known: no rule is asked.
                std::vector<std::string> none;
                FirewallPlace place = drop->samples.empty()
                                          ? facts::firewall_place(drop->location, none, false)
                                          : drop->samples.front().packet.place;
                add_case(*drop, {}, false, place);
                continue;
            }
            FirewallVerdict::Suspects together;
            for (const DropSample& sample : drop->samples) {
                ++walks;
                const auto suspects = verdict_->suspects(sample.packet);
                together.contradicted |= suspects.contradicted;
                for (const auto& suspect : suspects.all)
                    if (std::none_of(together.all.begin(), together.all.end(),
                                     [&](const auto& known) { return known.rule_id == suspect.rule_id; }))
                        together.all.push_back(suspect);
            }
            add_case(*drop, std::move(together.all), together.contradicted,
                     drop->samples.front().packet.place);
        }
    }

    void add_case(const Drop& drop, std::vector<FirewallVerdict::Suspect> suspects, bool contradicted,
                  const FirewallPlace& place) {
        std::string key = std::to_string(drop.netns) + '\n' + place.hook + '\n' + place.table_family + '\n' +
                          (place.who == Who::nftables  ? "n"
                           : place.who == Who::another ? "a"
                                                       : "?") +
                          (contradicted ? "c" : "") + (place.hook.empty() ? drop.direction : "");
        std::vector<std::string> ids;
        for (const auto& suspect : suspects) ids.push_back(suspect.rule_id);
        std::sort(ids.begin(), ids.end());
        for (const std::string& id : ids) key += '\n' + id;
        Case& one = cases_[key];
        if (one.drops.empty()) {
            one.suspects = std::move(suspects);
            one.contradicted = contradicted;
            one.place = place;
        }
        one.drops.push_back(&drop);
    }

    static std::int64_t sum(const std::vector<const Drop*>& drops) {
        std::int64_t packets = 0;
        for (const Drop* drop : drops) packets += drop->packets;
        return packets;
    }

    // All drops for which the rule is the only suspect.
    std::int64_t alone_suspected(const std::string& id) const {
        std::int64_t packets = 0;
        for (const auto& [key, one] : cases_)
            if (one.suspects.size() == 1 && one.suspects.front().rule_id == id) packets += sum(one.drops);
        return packets;
    }

    // A counter and the drops are read a moment apart; half of them is much more than that moment takes.
    static bool agrees(std::int64_t counted, std::int64_t dropped) { return counted * 2 >= dropped; }

    std::vector<const NetfilterProgram*> programs_at(const Case& one) const {
        std::vector<const NetfilterProgram*> found;
        for (const NetfilterProgram& program : programs_) {
            const Drop& drop = *one.drops.front();
            if (program.netns && program.netns != drop.netns) continue;
            if (!one.place.hook.empty() && program.hook != one.place.hook) continue;
            const bool v6 = drop.source.find(':') != std::string::npos;
            if (program.family == "ip" && v6) continue;
            if (program.family == "ip6" && !v6) continue;
            found.push_back(&program);
        }
        return found;
    }

    void decide(const Case& one) {
        const std::int64_t dropped = sum(one.drops);
        const std::uint32_t netns = one.drops.front()->netns;
        const auto programs = programs_at(one);
        if (!one.contradicted) {
            if (const auto* guilty = guilty_rule(one, dropped, programs.empty()))
                return convict(*guilty, one, dropped);
        }
        if (one.place.who != Who::nftables) {
            const Tracking& tracking = tracking_[netns];
            if (tracking.no_room() > 0 && agrees(tracking.no_room(), dropped))
                return tell_conntrack(one, "conntrack full", "critical", tracking.no_room());
            if (tracking.clashed > 0 && agrees(tracking.clashed, dropped))
                return tell_conntrack(one, "conntrack clash", "warning", tracking.clashed);
            const bool no_rule = one.suspects.empty() || one.contradicted;
            if (one.place.who == Who::another && no_rule && tracking.dropped == 0 && programs.size() == 1 &&
                programs.front()->netns == netns)
                return tell_program(one, *programs.front());
        }
        stay_unknown(one);
    }

    // The suspect that the evidence is against; null where it is not enough.
    const FirewallVerdict::Suspect* guilty_rule(const Case& one, std::int64_t dropped, bool no_programs) {
        if (one.suspects.size() == 1) {
            const auto& only = one.suspects.front();
            if (only.counted) return agrees(*only.counted, alone_suspected(only.rule_id)) ? &only : nullptr;
            // Nothing else there can have done it: the kernel says that nftables did.
            if (one.place.who == Who::nftables) return &only;
            return one.place.who == Who::unknown && only.sure && no_programs ? &only : nullptr;
        }
        // Of several, the one whose counter moved as the drops did, where the others' did not. One that
        // counted nearly all of them leaves nothing to others, whether they count or not.
        const FirewallVerdict::Suspect* guilty = nullptr;
        bool all_count = true;
        std::int64_t others = 0;
        for (const auto& suspect : one.suspects) {
            all_count &= suspect.counted.has_value();
            if (suspect.counted && (!guilty || *suspect.counted > *guilty->counted)) guilty = &suspect;
        }
        if (!guilty) return nullptr;
        for (const auto& suspect : one.suspects)
            if (&suspect != guilty) others += suspect.counted.value_or(0);
        const bool nearly_all = *guilty->counted * 10 >= dropped * 9;
        if (others * 5 > dropped || !(nearly_all || (all_count && agrees(*guilty->counted, dropped))))
            return nullptr;
        return guilty;
    }

    void convict(const FirewallVerdict::Suspect& guilty, const Case& one, std::int64_t dropped) {
        Guilty& known = convicted_[guilty.rule_id];
        auto& [suspect, all, of_others] = known;
        if (all.empty()) suspect = guilty;
        // Of what several can have dropped, its own is what it counted.
        if (one.suspects.size() > 1) of_others += dropped - std::min(dropped, *guilty.counted);
        if (suspect.elements.size() != guilty.elements.size() ||
            !std::equal(
                suspect.elements.begin(), suspect.elements.end(), guilty.elements.begin(),
                [](const auto& a, const auto& b) { return a.set == b.set && a.element == b.element; }))
            suspect.elements.clear();  // several elements: none is said of all
        all.insert(all.end(), one.drops.begin(), one.drops.end());
    }

    // Packets for services of this machine are one finding; those for ports that nobody listens on are what a
    // firewall is for, and said only where one port gets many of them.
    void tell_rule(const std::string& id, const Guilty& guilty) {
        DropGroup served;
        std::map<std::tuple<std::uint32_t, std::string, std::uint16_t>, DropGroup> unserved;
        for (const Drop* drop : guilty.drops) {
            const bool for_service =
                !inquiry_.scene.is_local(*drop) || !drop->has_port() || drop->is_answer() ||
                inquiry_.scene.socket(drop->netns, drop->protocol, drop->destination, drop->port);
            if (for_service)
                served.add(*drop);
            else
                unserved[{drop->netns, drop->protocol, drop->port}].add(*drop);
        }
        if (!served.empty() && is_enough(served, inquiry_.window_seconds) && !is_noise(inquiry_, served))
            tell_rule(id, guilty.suspect, served, guilty.of_others, "warning");
        for (const auto& [port, group] : unserved)
            if (is_enough(group, inquiry_.window_seconds) &&
                group.packets_per_second(inquiry_.window_seconds) >= noise_per_second)
                tell_rule(id, guilty.suspect, group, 0, "note");
    }

    void tell_rule(const std::string& id, const FirewallVerdict::Suspect& guilty, const DropGroup& group,
                   std::int64_t of_others, const char* severity) {
        DropCause cause =
            begin_cause(inquiry_, group, "firewall rule", severity, guilty.gone ? "medium" : "high");
        if (of_others > 0 && of_others < group.packets()) cause["packets"] = group.packets() - of_others;
        const RuleRow& rule = rules_[id];
        cause["rule_id"] = id;
        cause["backend"] = rule.backend;
        cause["family"] = rule.family;
        cause["table_name"] = rule.table;
        cause["chain"] = rule.chain;
        if (rule.handle) cause["handle"] = rule.handle;
        cause["rule"] = rule.rule;
        cause["act"] = act_of(guilty.how);
        if (guilty.gone) cause["gone"] = std::int64_t{1};
        const bool counted = guilty.counted && *guilty.counted > 0;
        if (counted) cause["rule_packets"] = *guilty.counted;
        cause["proof"] = guilty.sure ? "decided" : counted ? "counter" : "elimination";
        if (guilty.elements.size() == 1) {
            cause["set_name"] = guilty.elements.front().set;
            cause["set_element"] = guilty.elements.front().element;
            if (guilty.elements.front().element.empty()) cause["set_missed"] = std::int64_t{1};
            cause["set_tool"] = guilty.elements.front().ipset ? "ipset" : "nft";
        }
        put_detour(cause, guilty);
        if (!guilty.gone && drops_all_alike(group, id)) cause["whole"] = std::int64_t{1};
        if (!guilty.gone && drops_answers_alike(group, id)) cause["answers_too"] = std::int64_t{1};
        put_way_back(inquiry_, rule.rule, *group.drops().front(), cause);
        causes_.push_back(std::move(cause));
    }

    // What led the packets away from an accept, and before which rule of a policy's chain one must stand to be
    // reached.
    void put_detour(DropCause& cause, const FirewallVerdict::Suspect& guilty) {
        if (guilty.detour) {
            const RuleRow& leaving = rules_[guilty.detour->rule_id];
            cause["leaving_chain"] = leaving.chain;
            cause[leaving.is_nft() ? "leaving_handle" : "leaving_number"] = leaving.handle;
            cause["leaving_rule"] = leaving.rule;
        }
        if (guilty.detour && !guilty.detour->passed_over_id.empty()) {
            const RuleRow& passed = rules_[guilty.detour->passed_over_id];
            cause["passed_chain"] = passed.chain;
            cause[passed.is_nft() ? "passed_handle" : "passed_number"] = passed.handle;
            cause["passed_rule"] = passed.rule;
        }
        if (!guilty.first_exit_id.empty()) cause["exit_handle"] = rules_[guilty.first_exit_id].handle;
    }

    // Whether nothing that its sender sends on this way comes through.
    bool drops_all_alike(const DropGroup& group, const std::string& id) const {
        constexpr std::size_t most = 64;
        if (group.drops().size() > most) return false;
        return std::all_of(group.drops().begin(), group.drops().end(), [&](const Drop* drop) {
            return !drop->samples.empty() && verdict_->drops_all_alike(drop->samples.front().packet, id);
        });
    }

    // Who lets packets through this machine must let the answers to them through as well.
    bool drops_answers_alike(const DropGroup& group, const std::string& id) const {
        return std::all_of(group.drops().begin(), group.drops().end(), [&](const Drop* drop) {
            return drop->direction == "forward" && drop->is_try() && !drop->samples.empty() &&
                   verdict_->drops_answers_alike(drop->samples.front().packet, id);
        });
    }

    void tell_program(const Case& one, const NetfilterProgram& program) {
        DropGroup group;
        for (const Drop* drop : one.drops) group.add(*drop);
        if (!is_enough(group, inquiry_.window_seconds)) return;
        DropCause cause = begin_cause(inquiry_, group, "firewall program", "warning", "medium");
        cause["act"] = "dropped";
        cause["hook"] = program.hook;
        cause["program"] = program.name;
        cause["program_id"] = program.id;
        cause["program_comm"] = program.comm;
        causes_.push_back(std::move(cause));
    }

    void tell_conntrack(const Case& one, const char* kind, const char* severity, std::int64_t counted) {
        DropGroup group;
        for (const Drop* drop : one.drops) group.add(*drop);
        if (!is_enough(group, inquiry_.window_seconds)) return;
        DropCause cause = begin_cause(inquiry_, group, kind, severity, "high");
        cause["counted"] = counted;
        cause["sysctl"] = "net.netfilter.nf_conntrack_max";
        const auto max = tracking_[one.drops.front()->netns].max;
        if (max) cause["sysctl_value"] = std::to_string(*max);
        causes_.push_back(std::move(cause));
    }

    void stay_unknown(const Case& one) {
        const Drop& first = *one.drops.front();
        const std::string hook = one.place.hook.empty() ? first.direction : one.place.hook;
        Unknown& unknown =
            unknown_[{first.netns, hook, one.place.table_family, static_cast<int>(one.place.who)}];
        unknown.place = one.place;
        unknown.drops.insert(unknown.drops.end(), one.drops.begin(), one.drops.end());
        if (one.contradicted) unknown.counters_disagree = true;
        if (one.contradicted) return;
        for (const auto& suspect : one.suspects) unknown.suspects.insert(suspect.rule_id);
    }

    void tell_unknown(const Unknown& unknown) {
        DropGroup group;
        for (const Drop* drop : unknown.drops) {
            // What is knocked at and not there is no loss, whoever drops it.
            const bool unserved =
                inquiry_.scene.is_local(*drop) && drop->has_port() && !drop->is_answer() &&
                !inquiry_.scene.socket(drop->netns, drop->protocol, drop->destination, drop->port);
            if (!unserved) group.add(*drop);
        }
        if (group.empty()) {
            for (const Drop* drop : unknown.drops) group.add(*drop);
            if (group.is_scattered()) return;
        }
        if (!is_enough(group, inquiry_.window_seconds) || is_noise(inquiry_, group)) return;
        DropCause cause = begin_cause(inquiry_, group, "firewall unknown", "warning", "low");
        if (!unknown.place.hook.empty()) cause["hook"] = unknown.place.hook;
        if (unknown.place.who == Who::nftables) cause["backend"] = "nftables";
        cause["family"] = unknown.place.table_family;
        cause["suspects"] = static_cast<std::int64_t>(unknown.suspects.size());
        std::string names;
        for (const std::string& id : unknown.suspects) {
            const RuleRow& rule = rules_[id];
            names += (names.empty() ? "" : "; ") + rule.family + " " + rule.table + " " + rule.chain + " " +
                     (rule.handle ? "handle " + std::to_string(rule.handle) : "policy");
            if (rule.counted) names += " (counted " + std::to_string(*rule.counted) + ")";
        }
        cause["suspect_names"] = names;
        const std::uint32_t netns = unknown.drops.front()->netns;
        if (!inquiry_.scene.is_there(netns))
            cause["netns_gone"] = std::int64_t{1};
        else if (some_unread_ && verdict_ && !verdict_->has_rules(netns))
            cause["rules_unread"] = std::int64_t{1};
        if (unknown.place.who == Who::another) cause["not_by_nft"] = std::int64_t{1};
        causes_.push_back(std::move(cause));
    }

    const DropInquiry& inquiry_;
    std::vector<DropCause>& causes_;
    std::vector<const Drop*> drops_;
    std::map<std::string, RuleRow> rules_;
    std::vector<NetfilterProgram> programs_;
    std::map<std::uint32_t, Tracking> tracking_;  // by network namespace
    std::optional<FirewallVerdict> verdict_;
    bool some_unread_ = false;  // rules of some namespace; a recording does not tell
    std::map<std::string, Case> cases_;
    std::map<std::string, Guilty> convicted_;
    std::map<std::tuple<std::uint32_t, std::string, std::string, int>, Unknown> unknown_;
};

}  // namespace

void judge_firewall(const DropInquiry& inquiry, std::vector<DropCause>& causes) {
    FirewallJudge(inquiry, causes).judge();
}

}  // namespace waggle::agent
