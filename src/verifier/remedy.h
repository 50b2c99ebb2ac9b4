// SPDX-License-Identifier: Apache-2.0
// What a remedy needs besides the register's own way: the program's own names, the bound that makes the
// access fit, and how the function can be left at that place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "verifier/history.h"

namespace waggle::kernel {

// Where the number that moves a pointer comes from, and how often it counts.
struct IndexWay {
    std::int64_t element_bytes = 1;  // it was multiplied by this
    bool sign_extended = false;      // it was widened as a signed number, so it can be negative
    bool divided = false;  // it was divided or shifted right: the compiler can test what it was made of
    int origin = -1;       // the event that made it; -1: not in the log
    std::string global_function;  // that gave it
    std::string expression;       // as the source has it: "first->length"; empty where that cannot be told
    SourceLine expression_at;     // the line that has it
    std::optional<std::int64_t> lowest, highest;  // before it was multiplied
};
IndexWay follow_index_back(const History& history, int moved, std::string reg);

// The branch on the way to event `moved` that tested another copy of the number that moves there; -1: none.
int test_of_a_copy(const History& history, int moved, const IndexWay& way);

// What the source calls the packet's end where `fault` lies; empty where that cannot be told.
std::string packet_end_name(const History& history, int fault);
// The branch or subtraction on the way that takes one packet pointer from the other; -1: none.
int packet_subtraction(const History& history, int fault);

// The instruction of the event came by on this path before.
bool in_loop(const History& history, int index);

// How the source leaves from here: "return 0;", "break;" inside a loop, and what must be given back or
// unlocked before. `verdict`: what a program of this type returns to go on.
std::string leave_statement(const History& history, int index, std::string_view verdict);

// The declared kind of the variable as the lines show it.
enum class Signedness { unknown, is_signed, is_unsigned };
Signedness declared_signedness(const std::vector<SourceLine>& lines, std::string_view variable);
// "seen" of "char seen[32];": whether one of the lines declares it as an array.
bool declared_as_array(const std::vector<SourceLine>& lines, std::string_view variable);

// The line before `line` begins a statement ("if (x)", "else", "for (...)") that has this line as its body.
bool is_body_without_braces(const std::vector<SourceLine>& lines, const SourceLine& line);

}  // namespace waggle::kernel
