// SPDX-License-Identifier: Apache-2.0
// What a RuleBook holds; of RuleBook and RuleLoader alone.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "explain/cause_order.h"
#include "explain/knowledge.h"
#include "explain/rules/rule.h"

namespace waggle::explain {

// A row of a rule together with what it became.
struct FoundRow {
    std::size_t rule;
    std::vector<Cell> row;  // with the rule's limits behind it
    Finding finding;
};

struct RuleBook::State {
    // What a rule with `every` or `stays`, or one that sleeps, found before.
    struct Before {
        std::optional<std::uint64_t> asked_ns;
        std::vector<FoundRow> found;  // when it was asked last
        std::map<std::string, std::pair<FoundRow, std::uint64_t>>
            staying;  // by id, with when it was found last
    };

    std::vector<Rule> rules;
    std::vector<Entry> entries;
    std::vector<std::vector<std::size_t>> causes;  // of each rule: the rules it names in because_of
    std::vector<View> views;
    std::vector<List> lists;
    std::vector<std::string> languages;
    std::vector<SentencePart> parts;  // of this build, in English
    std::vector<std::string> problems;
    // By rule and language: the keys that the words of this build have.
    std::map<std::string, std::map<std::string, std::set<std::string>>> worded;
    std::optional<Knowledge> knowledge;
    std::vector<Before> before;  // by rule
    struct Cost {
        std::uint64_t asked = 0;
        std::uint64_t last_ns = 0;  // with its part of the views and facts that it read then
        std::uint64_t longest_ns = 0;
        std::uint64_t total_ns = 0;
        std::uint64_t findings = 0;  // of the last time
    };
    std::vector<Cost> costs;             // by rule
    std::vector<std::size_t> asked_now;  // in this answer
    // What went into the views and facts that rules read, and when. They are computed for whoever reads them
    // first; none is computed again before that is its share of the time.
    struct Shared {
        std::uint64_t spent_ns = 0;
        std::uint64_t at_ns = 0;
    };
    std::map<std::string, Shared, std::less<>> shared;
    double budget = 0;  // the share of the time that one rule can take; 0: all it wants

    bool is_of_topic(std::size_t rule, std::string_view topic) const;
    std::vector<bool> asked_for(std::string_view topic) const;
    std::vector<FoundRow> found_by(std::size_t rule, Sql& sql, Answer& answer, std::vector<FoundRow>& found);
    std::vector<FoundRow> ask_and_count(std::size_t rule, Sql& sql, Answer& answer,
                                        std::vector<FoundRow>& found);
    void share_costs(const CostMeter::Costs& spent, std::uint64_t now_ns);
    double shared_budget() const;  // the share of the time that one view or fact can take
    bool reads(std::size_t rule, std::string_view name) const;
    // The view or fact that the rule has to wait for longest: its name and for how long; "" for none.
    std::pair<std::string_view, std::uint64_t> waits_for(std::size_t rule, std::uint64_t now_ns) const;
    // How long a rule must not be asked again, so that what it took last is its share of the time.
    std::uint64_t pause_ns(std::size_t rule) const;
    // The sentences about it.
    std::string sleeps(std::size_t rule, std::uint64_t still_ns) const;
    std::string waits(std::size_t rule, std::string_view name, std::uint64_t still_ns) const;
    void tell_costs(Sql& sql) const;
    std::vector<CauseLink> links_of(const std::vector<FoundRow>& found) const;
};

}  // namespace waggle::explain
