// SPDX-License-Identifier: Apache-2.0
// JSON: the same parts under stable keys, one line of text without its line end. Keys stand in the order of
// the documentation; numbers have no units but those in their names; bytes that are no UTF-8 become U+FFFD,
// and everything beyond plain ASCII is written \uXXXX, so that no value can act on a terminal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "explain/finding.h"
#include "explain/knowledge.h"
#include "explain/sql.h"
#include "model/columns.h"

namespace waggle::sinks {

// {"findings": [...], "window", "coverage", "problems", "source"}
std::string answer_json(const explain::Answer& answer);
// One finding with the window and coverage of its answer: id, rule, severity, confidence, what, because,
// evidence
// [{says, query, rows}], impact, try, check, subject, object {kind, name, value}, because_of, window {from,
// to}, coverage {seen, lost, sampled}. Times are ISO 8601 in UTC; sampled is false where every row seen was
// looked at.
std::string finding_json(const explain::Finding& finding, const explain::Answer& answer);
std::string explanation_json(const explain::Explanation& explanation);

// A row: columns as keys, names unchanged, histograms as arrays, addresses as text, flags as true and false.
std::string row_json(const Row& row, std::span<const Column> columns, const Lookup& lookup);
// A line with its line end for each row.
std::string result_json_lines(const explain::ResultSet& result);
// {"name", "values", "slots": [{"from", "to", "count"}, ...]} without the empty slots.
std::string histogram_json(std::string_view name, std::span<const std::uint64_t> slots);

}  // namespace waggle::sinks
