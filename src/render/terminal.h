// SPDX-License-Identifier: Apache-2.0
// The terminal: answers, explanations, tables and distributions as text for a person. Every function is a
// pure function of its arguments, so a replay prints the same bytes. Whatever came from outside is escaped.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "explain/finding.h"
#include "explain/knowledge.h"
#include "query/histogram.h"
#include "query/sql.h"
#include "waggle/explain.h"

namespace waggle::sinks {

struct TerminalStyle {
    bool color = false;  // escape sequences for colour
    std::size_t width = 80;
    std::size_t height = 24;  // for the live screen
    bool show_query = false;  // the SQL under each evidence
    std::string_view language = "en";
};

// The six parts of each finding, roots first, and what was watched. Commands stand alone on their lines,
// never wrapped, so that they can be copied.
std::string render_answer(const explain::Answer& answer, const TerminalStyle& style);
std::string render_finding(const explain::Finding& finding, const TerminalStyle& style);
// The same in its short form, at most 12 lines in 80 columns: what, the nearest causes, who is hurt, the first advice.
std::string render_finding_briefly(const explain::Finding& finding, const TerminalStyle& style);
// The answer as far as it fits on the screen: whole; or each finding in its short form; or the first so and the others
// by their first sentence. The first finding is always there, and what is left out is said.
std::string render_answer_to_fit(const explain::Answer& answer, const TerminalStyle& style);
// What was seen, lost and not watched in how long: one line or a few.
std::string render_coverage(std::span<const explain::SensorCoverage> coverage, std::uint64_t watched_ns,
                            const TerminalStyle& style);

// One row or its figures, in the six parts.
std::string render_explained(const Explained& explained, const TerminalStyle& style);
std::string render_explanation(const explain::Explanation& explanation, const TerminalStyle& style);

// Aligned columns with a head line, numbers to the right, in the units their names tell. Text that does not
// fit is cut with "..", numbers and addresses never are: a table too wide for them becomes a line for each value.
std::string render_result(const explain::ResultSet& result, const TerminalStyle& style);

struct HistogramLines {
    unsigned steps = 0;  // to an octave: 1, 2, 4, 8 or 16; 0 = nobody said
    bool linear = false;
};
// A histogram as bars, a line for each octave unless `lines` asks for others, and its percentiles in words.
std::string render_histogram(std::string_view name, std::string_view meaning, Unit unit,
                             const explain::Histogram& histogram, const HistogramLines& lines,
                             const TerminalStyle& style);

}  // namespace waggle::sinks
