// SPDX-License-Identifier: Apache-2.0
// Relations as SQLite virtual tables: a scan reads the rows where they lie, and of each row only the columns
// the statement asks for.
#pragma once

#include <string>
#include <vector>

#include "model/columns.h"
#include "model/table.h"

struct sqlite3;
struct sqlite3_context;

namespace waggle::explain {

struct RelationTable {
    const Relation* relation;
    Lookup lookup;
    std::vector<Column> columns;

    std::string declaration() const;  // CREATE TABLE x(...), as SQLite wants to hear it
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
