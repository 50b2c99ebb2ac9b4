// SPDX-License-Identifier: Apache-2.0
// SQL as text: its words, values written as literals, and the nearest right word for an error.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/sql.h"

namespace waggle::explain {

struct SqlToken {
    enum class Kind : std::uint8_t { word, parameter, other };  // parameter: with its colon
    Kind kind;
    std::string_view text;  // quoted names without their quotes are words; strings are other
};

// Words, parameters and what stands between them, in order; comments are left out. The texts point into
// `sql`.
std::vector<SqlToken> sql_tokens(std::string_view sql);
std::optional<SqlToken> first_sql_token(std::string_view sql);

// A literal that gives the cell's exact value. Text that cannot be shown or pasted as it is becomes
// CAST(x'...' AS TEXT), so that no value can leave its place in the statement.
std::string sql_literal(const Cell& cell);

// The statement with each :name replaced by what `literal_of` gives; comments and strings stay as they are.
std::string replace_parameters(std::string_view sql,
                               const std::function<std::string(std::string_view name)>& literal_of);

}  // namespace waggle::explain
