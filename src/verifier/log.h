// SPDX-License-Identifier: Apache-2.0
// A verifier log taken apart: the instructions in the order they were looked at, each with the one before it
// on its path, what the registers held, and what the verifier complained of at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace waggle::kernel {

// "R1" or "fp-8" and what the log says it holds: "map_value(off=0,ks=4,vs=8)".
struct NamedState {
    std::string_view name;
    std::string_view value;
};

struct LogEvent {
    std::uint32_t insn = 0;
    std::string_view text;  // "r0 = *(u32 *)(r1 +0)"
    int previous = -1;      // index of the event before it on its path
    std::uint32_t frame = 0;
    std::string_view source;  // the last source line shown before it, empty where there is none
    std::string_view source_file;
    std::uint32_t source_line = 0;
    std::vector<NamedState> before;  // of its frame, where the log shows it
    std::vector<NamedState> after;
    std::uint32_t after_frame = 0;
    std::string_view called;  // the global function of the program that it calls, checked by itself
};

struct VerifierLog {
    std::string_view program;  // where libbpf names it
    std::vector<LogEvent> events;
    std::vector<std::string_view> complaints;  // the last words, in order
    bool from_verifier = false;                // false: only libbpf spoke
    std::string_view stack_depth;              // "0+64", as the log has it
    std::string_view processed;                // "processed 12 insns (limit …"
    std::string_view time_us;
};

// The result's views point into `text`. Takes any bytes.
VerifierLog read_verifier_log(std::string_view text);

// Splits "R1_w=scalar(id=1,umax=3) R10=fp0 fp-8=mmmmmmmm" into its parts.
std::vector<NamedState> read_states(std::string_view text);

// The number that begins `text`, which is then shortened by it.
std::optional<std::int64_t> take_number(std::string_view& text);

}  // namespace waggle::kernel
