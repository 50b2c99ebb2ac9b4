// SPDX-License-Identifier: Apache-2.0
// Results of SQL as a command prints them: sorted and cut as it was told.
#pragma once

#include <span>
#include <string>

#include "cli/command.h"
#include "query/sql.h"

namespace waggle::cli {

// What --sort names must be a column; the error names the nearest.
Result<void> check_sort(std::span<const std::string> columns, const Options& options);
void sort_and_cut(explain::ResultSet& result, const Options& options, std::size_t default_rows);
// A pipe has no width to keep to.
sinks::TerminalStyle style_of_table();
std::string result_text(const explain::ResultSet& result, const Options& options);

}  // namespace waggle::cli
