// SPDX-License-Identifier: Apache-2.0
// Relations as SQLite virtual tables: a scan reads the rows where they lie, and of each row only the columns
// the statement asks for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/columns.h"
#include "model/found_rows.h"
#include "model/table.h"
#include "query/cost_meter.h"
#include "query/query_time.h"

struct sqlite3;
struct sqlite3_context;

namespace waggle::explain {

// More than any join that spares it: what it costs to read a relation from the system, in rows scanned.
inline constexpr double reading_cost = 1e9;

// As SQLite declares the column: " INTEGER" … or nothing.
std::string_view sql_type(const Column& column);

// CREATE TABLE x(...), as SQLite wants to hear it; a type is sql_type()'s.
class Declaration {
  public:
    void add(std::string_view column, std::string_view type);
    std::string text() const { return text_ + ")"; }

  private:
    std::string text_ = "CREATE TABLE x(";
};

struct RelationTable {
    const Relation* relation;
    const FindsRows* finds;  // the same, where it finds rows; else null
    Lookup lookup;
    std::vector<Column> columns;
    CostMeter* meter;  // of what opening reads from the system
    QueryTime* time;   // of the query that runs

    std::string declaration() const;
};

// Registers the module "relation" whose tables are found by name through `find`, which outlives `db`.
class RelationTables {
  public:
    virtual ~RelationTables() = default;
    virtual const RelationTable* find(std::string_view name) const = 0;
};
int register_relation_module(sqlite3* db, const RelationTables* tables);

// Gives `value` to SQLite. Integers of u64 columns above the largest i64 become a real number where they
// measure something, and their decimal digits as text where they identify something.
void give_value(sqlite3_context* context, const Value& value, const Column& column);

}  // namespace waggle::explain
