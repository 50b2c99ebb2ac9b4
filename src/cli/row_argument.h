// SPDX-License-Identifier: Apache-2.0
// Rows that `waggle what` is given as JSON: as trace, top, query --output json print them, or of one's own.
#pragma once

#include <string_view>
#include <vector>

#include "cli/command.h"
#include "waggle/explain.h"

namespace waggle::cli {

// Whether the text is JSON, or begins like it.
bool is_json(std::string_view text);

// Explains each row; rows that are alike are explained once. Gives the exit code.
int explain_rows(std::string_view json, const Options& options);

}  // namespace waggle::cli
