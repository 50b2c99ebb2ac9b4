// SPDX-License-Identifier: Apache-2.0
// A table as a test of rules gives it: what its columns are and what they hold where a test says nothing.
#pragma once

#include <string>
#include <vector>

#include "model/schema.h"
#include "query/sql.h"

namespace waggle::explain {

struct GivenColumn {
    std::string name;
    std::string meaning;
    std::string sql_type;
    Unit unit = Unit::none;
    bool text = false;   // a number in it stays text
    bool named = false;  // a number that can have a name
    bool typed = false;  // of a schema, not of a view
    Cell absent;         // the value where a test gives none
};

struct GivenTable {
    std::string name;
    std::vector<GivenColumn> columns;
};

// Where nothing is given a column holds 0, no text, or null where it is nullable or its subject's.
GivenTable given_table_of(const Schema& schema);

}  // namespace waggle::explain
