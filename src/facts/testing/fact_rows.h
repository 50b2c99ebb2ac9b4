// SPDX-License-Identifier: Apache-2.0
// For tests: a fact read into a table, and its rows found by what they say.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "facts/fact.h"
#include "model/columns.h"

namespace waggle::facts {

// A row as text by column; null columns are left out.
using FactRow = std::map<std::string, std::string>;

inline FactRow fact_row(const Row& row) {
    FactRow out;
    for (const Column& column : columns_of(row.schema())) {
        Value value;
        read_column(row, column, {}, value);
        if (value.kind == Value::Kind::integer) out[std::string(column.name)] = std::to_string(value.integer);
        if (value.kind == Value::Kind::real) out[std::string(column.name)] = fmt::format("{}", value.real);
        if (value.kind == Value::Kind::text) out[std::string(column.name)] = std::string(value.text);
    }
    return out;
}

inline std::vector<FactRow> fact_rows(Fact& fact) {
    std::vector<FactRow> rows;
    const auto result = fact.read([&](const Row& row) { rows.push_back(fact_row(row)); });
    EXPECT_TRUE(result) << (result ? "" : result.error().message);
    return rows;
}

// The only row whose columns have these values; fails the test where it is not one.
inline FactRow only_row(const std::vector<FactRow>& rows, const FactRow& wanted) {
    FactRow found;
    int count = 0;
    for (const FactRow& row : rows) {
        bool fits = true;
        for (const auto& [name, value] : wanted) {
            const auto cell = row.find(name);
            fits &= cell != row.end() && cell->second == value;
        }
        if (!fits) continue;
        found = row;
        ++count;
    }
    std::string says;
    for (const auto& [name, value] : wanted) says += name + "=" + value + " ";
    EXPECT_EQ(count, 1) << "rows with " << says << "of " << rows.size();
    return found;
}

}  // namespace waggle::facts
