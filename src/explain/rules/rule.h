// SPDX-License-Identifier: Apache-2.0
// One rule as read and checked; RuleBook's own, and of those that test and describe rules.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "explain/finding.h"
#include "explain/rules.h"
#include "explain/sentence.h"
#include "explain/yaml_tree.h"

namespace waggle::explain {

// A word that is fixed, or the column of the rule's rows that holds the one its conditions chose; `word` is then
// that for all others.
template <class Word>
struct WordOrChoice {
    Word word{};
    std::optional<std::size_t> column;
};

struct RuleLimit {
    std::string name;
    Cell value;
    Unit unit = Unit::count;
    std::string as_written;  // "60s"
    std::string means;
    Position at;
    bool used = false;
};

struct RuleEvidence {
    std::string name;  // by which the words know it
    Sentences says;
    std::string query;
    std::size_t most_rows = 20;
};

struct RuleCause {
    std::string rule;
    std::vector<std::string> on;  // columns that must hold the same value in both findings' rows
    Position at;
};

struct RuleAdvice {
    Advice::Kind kind = Advice::Kind::say;
    Sentence text;
    std::optional<Sentence> why;
    std::optional<std::size_t> netns;  // the column with the network namespace it must run in
    std::string file;                  // where it stands
    Position at;
};

struct Rule {
    RuleBook::Entry entry;
    std::string file;
    Position at;
    bool users = false;
    std::string when;                  // as it is asked
    std::string written_when;          // as it is written
    std::vector<std::string> columns;  // of `when` as it is asked, then the limits with a colon before them
    std::vector<Unit> units;           // of the columns
    std::vector<RuleLimit> limits;
    WordOrChoice<Severity> severity;
    WordOrChoice<Confidence> confidence;
    std::size_t most_findings = 20;
    std::optional<std::size_t> amount;  // the column by which findings of a topic are ordered
    std::uint64_t every_ns = 0;
    std::uint64_t stays_ns = 0;
    Sentences object_kind;
    Sentences object_name;
    Sentences object_value;
    std::vector<std::pair<std::string, Sentences>> subject;
    Sentences what;
    std::vector<Sentences> because;
    std::vector<RuleEvidence> evidence;
    Sentences impact;
    std::vector<std::vector<RuleAdvice>> try_;  // of each entry the alternatives
    std::vector<std::vector<RuleAdvice>> check;
    std::vector<RuleCause> because_of;
    std::string severity_words;  // "warning", or "critical where …, else warning"
    std::string confidence_words;
    std::string asks;                     // one sentence: the question
    std::vector<std::string> wrong_when;  // known false positives, a sentence each
    std::vector<std::string> lists;       // that its `when` names

    std::size_t asked_columns() const { return columns.size() - limits.size(); }
};

std::optional<Severity> severity_of(std::string_view word);
std::optional<Confidence> confidence_of(std::string_view word);

}  // namespace waggle::explain
