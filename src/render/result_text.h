// SPDX-License-Identifier: Apache-2.0
// Results of queries as columns of text.
#pragma once

#include "query/sql.h"
#include "render/layout.h"

namespace waggle::sinks {

// As a person reads it: by the unit of its column, escaped; "-" where there is none.
std::string cell_text(const explain::Cell& cell, Unit unit);
Columns columns_of_result(const explain::ResultSet& result);

}  // namespace waggle::sinks
