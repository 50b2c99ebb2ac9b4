// SPDX-License-Identifier: Apache-2.0
// The tables whose rows can be said, with their columns; and the check that each has its words.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/columns.h"
#include "waggle/explain.h"

namespace waggle::agent {

struct EventSource {
    std::string name;
    std::vector<std::string> columns;
    std::vector<std::string> shown;    // those that `waggle trace` prints as a table unless told
    bool figures = false;              // of `waggle top` (ROOM_top) or the live screen (ROOM_figures)
    std::vector<std::string> whole{};  // those that `waggle trace` prints as JSON unless told
};

// Every table of this build, and the figures of every room. Needs no kernel.
std::vector<EventSource> event_sources();

// Which of them a row with these columns is of; the error names those it can be of.
Result<std::string> source_of_columns(std::span<const EventSource> sources,
                                      std::span<const std::string> columns);

// The row with all its columns; histograms are left out.
NamedRow named_row(const Row& row, std::span<const Column> columns, const Lookup& lookup);

// What is wrong with the words of events: a source without words, words without a source, a column that is not
// there, words that cannot be said of every row; file: reason.
std::vector<std::string> event_complaints(const Explainer& explainer);

}  // namespace waggle::agent
