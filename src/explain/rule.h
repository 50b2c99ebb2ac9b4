// SPDX-License-Identifier: Apache-2.0
// One rule as read and checked; RuleBook's own.
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

// A word that is fixed, or the column of `when` that holds it in each row.
template <class Word>
struct WordOrColumn {
    Word word{};
    std::optional<std::size_t> column;
};

struct RuleEvidence {
    Sentences says;
    std::string query;
    std::size_t most_rows = 20;
};

struct RuleCause {
    std::string rule;
    std::vector<std::string> on;  // columns that must hold the same value in both findings' rows
    Position at;
};

struct Rule {
    RuleBook::Entry entry;
    std::string file;
    Position at;
    std::string when;
    std::vector<std::string> columns;  // of `when`
    WordOrColumn<Severity> severity;
    WordOrColumn<Confidence> confidence;
    std::size_t most_findings = 20;
    std::string object_kind;
    Sentences object_name;
    Sentences object_value;
    std::vector<std::pair<std::string, Sentences>> subject;
    Sentences what;
    std::vector<Sentences> because;
    std::vector<RuleEvidence> evidence;
    Sentences impact;
    std::vector<Sentences> try_;
    std::vector<Sentences> check;
    std::vector<RuleCause> because_of;
};

std::optional<Severity> severity_of(std::string_view word);
std::optional<Confidence> confidence_of(std::string_view word);

// The rules of one file, each complete in itself; what needs the whole book (because_of, ids) is checked
// there.
Result<std::vector<Rule>> read_rules(const EmbeddedFile& file, Sql& sql);

}  // namespace waggle::explain
