// SPDX-License-Identifier: Apache-2.0
// The names of well-known tools, and the command of waggle that answers the same question: `waggle biosnoop`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle::cli {

struct FamiliarName {
    std::string_view name;
    std::string_view shows;    // the question it answers, as waggle answers it
    std::string_view command;  // without "waggle"
};

// By name.
std::span<const FamiliarName> familiar_names();

// Where the first argument is such a name, the arguments become waggle's own, with the flags that the known tools
// share: -p PID, -n NAME, -j, and a number of seconds where the tool takes an interval. Gives the name, or null where
// it is none; an error where the tool has something that waggle does otherwise.
Result<const FamiliarName*> make_ours(std::vector<std::string>& arguments);

// All of them as a table in Markdown.
std::string familiar_table();

}  // namespace waggle::cli
