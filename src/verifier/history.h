// SPDX-License-Identifier: Apache-2.0
// Who wrote a register, what it became, which branches were taken: the log walked backwards from the fault.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "verifier/code.h"
#include "verifier/log.h"
#include "verifier/words.h"
#include "waggle/verifier.h"

namespace waggle::kernel {

class History {
  public:
    // All is borrowed and outlives the history.
    History(const VerifierLog& log, const RejectionContext& context, const VerifierWords& words)
        : log_(log), context_(context), words_(words) {}

    const LogEvent& event(int index) const { return log_.events[static_cast<std::size_t>(index)]; }

    SourceLine line_of(const LogEvent& event) const;
    // What `name` ("R1", "fp-8") held just before the event; empty where the log does not show it.
    std::string_view held_before(int index, std::string_view name) const;
    std::string_view held_after(int index, std::string_view name) const;
    // In words: "a number from 0 to 63". Empty for an empty state.
    std::string describe(std::string_view held) const;

    struct Path {
        std::vector<Step> steps;  // nearest first
        int origin = -1;          // the event that made the value; -1: not in the log
        std::string origin_function;
        std::string variable;        // the source's name for it
        int variable_event = -1;     // whose line gives that name
        std::string index_register;  // what was added to it last
        int index_event = -1;
        std::string lost_by, released_by, clobbered_by;
        int lost_event = -1;
        std::string lost_register;  // that held it there
        // What a list or tree owns: the call that gave it there (-1: not between), and the end of the lock.
        int given_event = -1, unlock_event = -1;
        int null_event = -1;       // the branch after which only null is left of it
        int overwrite_event = -1;  // wrote over a part of it while it lay on the stack
    };
    // The way of `name` to event `index`, which reads it. `void_now`: the verifier says it holds nothing of
    // use.
    Path trace(int index, std::string name, bool void_now) const;

    // The last event before `index`, on its path, that calls `function` (a beginning of its name); -1: none.
    int call_before(int index, std::string_view function) const;
    // What gives back what `function` gave: "bpf_sk_release"; empty where there is none.
    std::string release_of(std::string_view function) const {
        return std::string(text_named(words_.releases, function));
    }
    // The callback's last instruction, where event `index` is the helper's call that it went back to; -1: not
    // so.
    int callback_end(int index) const;
    // Whether the branch at `index` was taken on the way to event `later`.
    bool taken(int index, int later) const { return event(later).insn != event(index).insn + 1; }
    // The event of instruction `insn` on the path to `index`; -1: none.
    int on_path(int index, std::uint32_t insn) const;

    Step step(int index, std::string_view text_name, const Facts& facts) const;

  private:
    const VerifierLog& log_;
    const RejectionContext& context_;
    const VerifierWords& words_;

    std::uint32_t function_begin(const LogEvent& event) const;
    void find_what_voided(int index, std::string_view name, Path& path) const;
    void name_unlock(const Held& held, const std::vector<int>& calls, Path& path) const;
    void name_what_voided(const Held& held, const std::vector<int>& calls, Path& path) const;
    bool gives_back_this(int call, const Held& held) const;
    int branch_of_null(int index) const;
    std::string condition(const LogEvent& branch, const Instruction& code) const;
    bool overwrites(int index, const Instruction& code, std::string_view slot, std::int64_t width) const;
    bool adds_pointer_to_number(int index, const Instruction& code) const;
    Step first_step(int later, std::string_view name, std::string_view held, std::string_view text) const;
};

}  // namespace waggle::kernel
