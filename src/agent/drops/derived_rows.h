// SPDX-License-Identifier: Apache-2.0
// Rows of a relation that is worked out (Derived), written by the names of their columns.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/schema.h"
#include "model/table.h"

namespace waggle::agent {

struct DerivedColumn {
    std::string_view name;
    Type type;
    Unit unit;
    std::string_view meaning;
};

// By column name; what is not set is null. An empty text is null too.
using DerivedRow = std::map<std::string_view, std::variant<std::int64_t, double, std::string>>;

// What a column holds, short, for tables of columns.
namespace column {
constexpr auto text = Type::text_ref;
constexpr auto number = Type::i64;
}  // namespace column

constexpr std::size_t derived_cell_size = 8;  // of each column

std::vector<Field> derived_fields(std::span<const DerivedColumn> columns);
// The table's schema has these columns.
void append_derived(const DerivedRow& row, std::span<const DerivedColumn> columns, Table& table);

}  // namespace waggle::agent
