// SPDX-License-Identifier: Apache-2.0
// The names of well-known tools, and the command of waggle that answers the same question: `waggle biosnoop`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle::cli {

// A flag, or another word, that a tool's users type.
struct FamiliarFlag {
    std::string_view theirs;
    // As waggle spells it; empty, where there is no condition either: it is so here anyway.
    std::string_view ours = {};
    // Of a query: which rows. Those of one group are alternatives. "%" stands for the number behind the flag.
    std::string_view group = {}, condition = {};
};

struct FamiliarName {
    std::string_view name;
    std::string_view shows;         // the question it answers, as waggle answers it
    std::string_view command = {};  // without "waggle"
    // Instead of a command: SQL for `waggle query`. "{group:condition}" is what the flags of that group say, and the condition
    // where none was given.
    std::string_view query = {};
    std::span<const FamiliarFlag> flags = {};  // besides those that all share
    unsigned seconds = 0;                      // where no interval is given; 0: the command's own
};

// A tool whose question waggle does not answer, or answers elsewhere.
struct UnansweredName {
    std::string_view name;
    std::string_view instead;  // what is missing, or the nearest question; without the full stop
};

// By name.
std::span<const FamiliarName> familiar_names();
std::span<const UnansweredName> unanswered_names();

// Where the first argument is such a name, the arguments become waggle's own, with the tool's flags, those that the known tools
// share (-p PID, -n NAME, -j), and a number of seconds where the tool takes an interval. Gives the name, or null where it is
// none; an error where waggle has no answer to it, or does something of it otherwise.
Result<const FamiliarName*> make_ours(std::vector<std::string>& arguments);

// The command as it is typed, without "waggle"; of a query, as it is without flags.
std::string familiar_command(const FamiliarName& name);

// All of them as tables in Markdown.
std::string familiar_table();

}  // namespace waggle::cli
