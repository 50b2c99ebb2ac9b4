// SPDX-License-Identifier: Apache-2.0
// The facts of which remedies are made: lines of the program itself, changed so that it loads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "verifier/code.h"
#include "verifier/history.h"
#include "verifier/words.h"

namespace waggle::kernel {

// One rejection as far as it is understood; all of it is borrowed.
struct Situation {
    const History& history;
    const RejectionContext& context;
    const Instruction& code;
    const History::Path& path;
    std::string_view program;
    std::string_view reg;
    int fault = -1;
    int moved = -1;                  // the event that added a number to the pointer
    std::string_view moved_by{};     // the register that was added
    std::int64_t first_element = 0;  // where in its object the pointer stands without what varies
    bool global = false;             // it points to a global variable
};

// What remedies that are lines of the program share: the line at fault, its function, and how a line is put among the
// facts.
class LineRemedies {
  public:
    LineRemedies(const Situation& situation, Facts& facts);

  protected:
    std::string fact(std::string_view name) const;
    void set(std::string_view name, std::string_view value);  // unless it is empty
    // A line in place of `at`, or beside it, with NAME_at; unless it is empty, the same, or in another file.
    void set_place(std::string_view name, std::string_view text, const SourceLine& at);
    std::string leave() const { return fact("leave"); }
    // "__u64 copy = *at; if (copy >= 16) return 0; ring[copy] = 1;" of the line at fault with "*at", tested by `outside`;
    // empty where the line cannot be written so.
    std::string with_one_copy(const std::string& expression, std::string_view outside) const;

    const Situation& it_;
    Facts& facts_;
    std::vector<SourceLine> lines_;  // of the whole function; none: the source is not there
    SourceLine here_;
};

// Adds what the situation gives. A name stands among the facts only where it is certain:
//   data_end, packet_begin   the program's own names of the packet's end and begin
//   leave                    how the source leaves at the fault
//   outside                  the test that is true where the index is out of bounds: "kind < 0 || kind >= 4"
//   copy_line, copy_test     the line that tests another copy of the index, and its text
//   ..._read, ..._line       a whole line to put in place of one of the program: user_read, kernel_read,
//                            checked_read, masked_line, end_line, context_line, task_line, static_line,
//                            loop_line_new
void add_advice(const Situation& situation, Facts& facts);

// Of a call's size: what the memory before it has, and a test of the size against that (call_repairs.cpp).
void add_size_advice(const Situation& situation, Facts& facts);

}  // namespace waggle::kernel
