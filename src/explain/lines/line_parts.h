// SPDX-License-Identifier: Apache-2.0
// The things a pasted line names: port, host, path, pid, unit. They take the places that commands keep for them in
// CAPITALS.
#pragma once

#include <string_view>

#include "explain/knowledge.h"
#include "explain/lines/line_pattern.h"

namespace waggle::explain {

// By the words commands use: PORT, HOST, DESTINATION, PATH, FILE, PID, UNIT. What a line names twice in different
// ways is left out.
Captures parts_of_line(std::string_view line);

// Puts the parts into the commands of `try` and `check`, each where its name stands as a word. What a shell would
// act on is not put in.
void fill_capitals(Explanation& entry, const Captures& parts);

}  // namespace waggle::explain
