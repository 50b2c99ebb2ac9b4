// SPDX-License-Identifier: Apache-2.0
// The functions waggle adds to SQL, and cells to and from SQLite's values.
#pragma once

#include "query/sql.h"

struct sqlite3;
struct sqlite3_context;
struct sqlite3_stmt;
struct sqlite3_value;

namespace waggle::explain {

Cell cell_of(sqlite3_value* value);
Cell cell_of_column(sqlite3_stmt* statement, int column);
void give_cell(sqlite3_context* context, const Cell& cell);
int bind_cell(sqlite3_stmt* statement, int index, const Cell& cell);

// hist_percentile, hist_merge, hist_count: see sql.h.
int register_histogram_functions(sqlite3* db);
// text_shape: see text_shape.h.
int register_text_functions(sqlite3* db);
int register_function(sqlite3* db, const std::string& name, int argument_count, Sql::Function function);

}  // namespace waggle::explain
