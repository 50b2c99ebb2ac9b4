// SPDX-License-Identifier: Apache-2.0
// What the SQL of rules and views tells about itself.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "query/sql_text.h"

namespace waggle::explain {

// A view's or rule's file names lists in its SQL: in_list('name', x). The names that are not of `known` are a
// fault.
struct ListUse {
    std::string name;
    std::size_t offset;  // in the SQL; of the name
};
// The reason and place are in `fault` where in_list is not given the name of a list as a text.
std::vector<ListUse> lists_in(std::string_view sql, std::optional<ListUse>& fault);

// The column that a parameter at `at` is compared with and nothing else done to: `x.ran_ns < :most`.
std::string_view compared_with(std::span<const SqlToken> tokens, std::size_t at);

// The columns with no value in them, as a select list: what names them can be prepared without what gives them.
std::string names_alone(std::span<const std::string> columns);

}  // namespace waggle::explain
