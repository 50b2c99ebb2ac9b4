// SPDX-License-Identifier: Apache-2.0
#include "verifier/way_out.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "verifier/expression.h"
#include "verifier/remedy.h"

namespace waggle::kernel {
namespace {

using Kind = Instruction::Kind;

constexpr int farthest_begin = 20'000;  // events looked at on the way back

int depth_change(std::string_view text) {
    return static_cast<int>(std::count(text.begin(), text.end(), '{')) -
           static_cast<int>(std::count(text.begin(), text.end(), '}'));
}

// "return x;" of a line, with its begin; empty: there is none, or it goes on in the next line.
std::string_view return_in(std::string_view text) {
    for (std::size_t at = text.find("return"); at != std::string_view::npos;
         at = text.find("return", at + 1)) {
        const std::size_t behind = at + 6;
        if ((at > 0 && is_word(text[at - 1])) || (behind < text.size() && is_word(text[behind]))) continue;
        const std::size_t end = text.find(';', at);
        return end == std::string_view::npos ? std::string_view{} : text.substr(at, end + 1 - at);
    }
    return {};
}

bool jumps_elsewhere(std::string_view text) {
    return has_word(text, "goto") || has_word(text, "break") || has_word(text, "continue");
}

// What the path came by behind its last branch.
struct End {
    int branch = -1;           // the last branch since the object was taken; -1: none
    std::uint32_t from = 0;    // the last line that the path came by before it left
    bool null_tested = false;  // the object was tested for null on the way
};

End end_of_path(const History& history, int taken, int last, std::uint32_t last_line) {
    End out;
    const LogEvent& took = history.event(taken);
    const SourceLine begin = history.line_of(took);
    out.from = begin.line;
    const auto note = [&](int index) {
        const SourceLine line = history.line_of(history.event(index));
        if (line.file == begin.file && line.line < last_line) out.from = std::max(out.from, line.line);
    };
    for (int i = history.event(last).previous, seen = 0; i > taken && seen < farthest_begin;
         i = history.event(i).previous, ++seen) {
        if (history.event(i).frame != took.frame) continue;
        const Instruction code = decode(history.event(i).text);
        if (out.branch < 0) note(i);
        if (code.kind != Kind::branch) continue;
        if (out.branch < 0) out.branch = i;
        out.null_tested = out.null_tested || (code.operand == "0x0" &&
                                              read_held(history.held_before(i, code.source)).can_be_null());
    }
    return out;
}

// A call that ends the program where it stands: nothing comes back from it, or nothing if it works.
bool leaves(std::string_view function) { return function == "bpf_tail_call" || function == "bpf_throw"; }

// The way that ends in such a call: given back in front of it. What is given back behind a tail call that fails would
// be given back twice, so the line leaves as the lines behind it do.
std::optional<PlacedLine> before_call(const std::vector<SourceLine>& lines, const SourceLine& call,
                                      bool goes_on, const std::string& given_back,
                                      const std::string& release) {
    if (!call.text.ends_with(");")) return std::nullopt;
    std::string leaving;
    for (const SourceLine& line : lines) {
        if (!goes_on || line.line <= call.line || line.text.empty() || line.text == release) continue;
        leaving = return_in(line.text);
        if (leaving != line.text) return std::nullopt;
        leaving.insert(0, " ");
        break;
    }
    return PlacedLine{fmt::format("{{ {} {}{} }}", given_back, call.text, leaving), call.line};
}

}  // namespace

std::optional<PlacedLine> way_out_with(const History& history, const SourceLines& source, int taken, int last,
                                       const std::string& release, std::string_view variable) {
    if (taken < 0 || last <= taken || release.empty()) return std::nullopt;
    if (history.event(taken).frame != history.event(last).frame) return std::nullopt;
    const SourceLine begin = history.line_of(history.event(taken));
    const std::vector<SourceLine> lines = source.function_around(begin);
    if (lines.empty()) return std::nullopt;
    const End end = end_of_path(history, taken, last, lines.back().line);
    const auto text_of = [&](std::uint32_t number) -> const std::string& {
        return lines[number - lines.front().line].text;
    };
    if (end.from < begin.line || end.from > lines.back().line) return std::nullopt;
    const bool can_be_null = read_held(history.held_after(taken, "R0")).can_be_null();
    const bool untested = can_be_null && !end.null_tested;
    if (untested && variable.empty()) return std::nullopt;
    const std::string call = untested ? fmt::format("if ({}) {}", variable, release) : release;
    if (const std::string_view last_call = decode(history.event(last).text).function; leaves(last_call))
        return before_call(lines, history.line_of(history.event(last)), last_call == "bpf_tail_call", call,
                           release);
    // The first return from there on.
    std::uint32_t found = 0;
    for (std::uint32_t number = end.from; number <= lines.back().line && found == 0; ++number) {
        if (number > begin.line && !return_in(text_of(number)).empty())
            found = number;
        else if (number > begin.line &&
                 (jumps_elsewhere(text_of(number)) || has_word(text_of(number), "return")))
            return std::nullopt;
    }
    if (found == 0) return std::nullopt;
    const std::string_view leaves = return_in(text_of(found));
    // A branch with a return on both sides: the number that is returned tells which, or nothing does.
    const std::string_view given = trim(leaves.substr(6, leaves.size() - 7));
    std::string_view digits = given;
    const auto literal = take_number(digits);
    const auto held = read_held(history.held_before(last, "R0")).number;
    if (literal && digits.empty() && held &&
        static_cast<std::int32_t>(*literal) != static_cast<std::int32_t>(*held))
        return std::nullopt;
    const bool exact = literal && digits.empty() && held;
    for (std::uint32_t number = found + 1; number < lines.back().line && !exact; ++number) {
        const std::string_view text = text_of(number);
        if (text.empty() || text == "}" || text.starts_with("//") || text.starts_with("#")) continue;
        if (!return_in(text).empty() && end.branch >= 0 &&
            end.from == history.line_of(history.event(end.branch)).line)
            return std::nullopt;
        break;
    }
    // What is given back must be known there, and the return must not read it.
    int depth = 0;
    for (std::uint32_t number = begin.line; number < found; ++number) {
        depth += depth_change(text_of(number));
        if (depth < 0) return std::nullopt;
    }
    if (has_word(given, variable)) return std::nullopt;
    std::string out = text_of(found);
    const auto at = static_cast<std::size_t>(leaves.data() - text_of(found).data());
    out.replace(at, leaves.size(), fmt::format("{{ {} {} }}", call, leaves));
    return PlacedLine{std::move(out), found};
}

}  // namespace waggle::kernel
