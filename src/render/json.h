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
#include "model/columns.h"
#include "query/histogram.h"
#include "query/sql.h"
#include "render/live_screen.h"
#include "render/terminal.h"

namespace waggle::sinks {

// {"findings": [...], "window", "coverage", "problems", "source"}
std::string answer_json(const explain::Answer& answer);
// One finding with the window and coverage of its answer: id, rule, severity, confidence, what, because,
// evidence [{says, query, rows}], impact, try, check, advice [{part, kind, text, why}] (the entries
// of try and check once more: kind do or say, a command apart from its comment), subject, object {kind, name, value}, because_of,
// window {from, to}, coverage {seen, lost, sampled}. Times are ISO 8601 in UTC; sampled is false where every row seen was
// looked at.
std::string finding_json(const explain::Finding& finding, const explain::Answer& answer);
// {"source", "what", "because", "evidence", "impact", "try", "check"}
std::string explained_json(std::string_view source, const Explained& explained);
std::string explanation_json(const explain::Explanation& explanation);

// A row: columns as keys, names unchanged, addresses as text, flags as true and false, histograms as arrays:
// of {"from", "to", "count"} for each slot that is not empty; of the counts alone where slot i holds 2^i to
// 2^(i+1) - 1.
std::string row_json(const Row& row, std::span<const Column> columns, const Lookup& lookup);
// A line with its line end for each cause of loss, as rows of the table self: {"table": "self", "sensor", "cause",
// "count"}; nothing where nothing was lost.
std::string losses_json_lines(std::span<const explain::SensorCoverage> coverage);
// How a watching ended: {"summary": {"watched_ns", "findings": [{"id", "what", "from", "to", "lasts"}], "seen", "lost",
// "sensors"}}.
std::string summary_json(std::uint64_t watched_ns, std::span<const PastFinding> findings,
                         std::span<const explain::SensorCoverage> coverage);
// A line with its line end for each row.
std::string result_json_lines(const explain::ResultSet& result);
// {"name", "values", "p50", "p95", "p99", "max", "slots": [{"from", "to", "count"}, ...]} without the empty
// slots, each as it was counted unless `lines` asks for fewer; "to" is null where it holds all from there on.
std::string histogram_json(std::string_view name, const explain::Histogram& histogram,
                           const HistogramLines& lines = {});

}  // namespace waggle::sinks
