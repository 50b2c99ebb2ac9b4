// SPDX-License-Identifier: Apache-2.0
// A line of a log, pasted whole: what is known of it or of what it names.
#pragma once

#include <string_view>
#include <vector>

#include "explain/knowledge.h"

namespace waggle::explain {

// The line itself where the knowledge knows its form; else the texts of errors, and the errors, signals, capabilities
// and settings that it names, each once. Empty where there is none.
Result<std::vector<Explanation>> find_in_line(const Knowledge& knowledge, std::string_view line);

}  // namespace waggle::explain
