// SPDX-License-Identifier: Apache-2.0
#include "verifier/way_out.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
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

// "goto out;", "break;" or "continue;" of a line, as its last statement; empty: there is none.
std::string_view jump_in(std::string_view text) {
    for (const std::string_view word : {"goto ", "break;", "continue;"}) {
        const std::size_t at = text.rfind(word);
        if (at != std::string_view::npos && (at == 0 || !is_word(text[at - 1])) && text.ends_with(";") &&
            text.find(';', at) + 1 == text.size())
            return text.substr(at);
    }
    return {};
}

// The same, or the return that the line ends with.
std::string_view way_in(std::string_view text) {
    const std::string_view jump = jump_in(text), leaves = return_in(text);
    return jump.empty() && text.ends_with(leaves) ? leaves : jump;
}

// A call that ends the program where it stands: nothing comes back from it, or nothing if it works.
bool leaves_program(std::string_view function) {
    return function == "bpf_tail_call" || function == "bpf_throw";
}

// What the path came by since the object was taken.
struct End {
    int branch = -1;                   // the last branch; -1: none
    std::uint32_t from = 0;            // the last line that the path came by before it left
    bool null_tested = false;          // the object was tested for null on the way
    bool left_block = false;           // in which the object is known, before the path's end
    std::vector<std::uint32_t> lines;  // that it came by behind the last branch
};

class WayOut {
  public:
    WayOut(const History& history, std::vector<SourceLine> lines, int taken, int last,
           std::string_view variable)
        : history_(history),
          lines_(std::move(lines)),
          taken_(taken),
          last_(last),
          variable_(variable),
          begin_(history.line_of(history.event(taken))),
          block_end_(block_end()) {
        follow();
    }

    std::optional<PlacedLine> with(const std::string& release) const {
        if (end_.from < begin_.line || end_.from > lines_.back().line) return std::nullopt;
        const bool untested = read_held(history_.held_after(taken_, "R0")).can_be_null() && !end_.null_tested;
        if (untested && variable_.empty()) return std::nullopt;
        const std::string test = untested ? fmt::format("if ({}) ", variable_) : std::string();
        const std::string_view last_call = decode(history_.event(last_).text).function;
        if (leaves_program(last_call)) return before_call(last_call == "bpf_tail_call", test, release);
        if (const auto jump = before_jump(test + release)) return jump;
        return end_.left_block ? std::nullopt : before_return(test + release);
    }

    int branch() const { return end_.branch; }

  private:
    const History& history_;
    std::vector<SourceLine> lines_;  // of the function
    int taken_, last_;
    std::string_view variable_;
    SourceLine begin_;
    std::uint32_t block_end_;  // the last line in which the object is known
    End end_;

    const std::string& text_of(std::uint32_t number) const {
        return lines_[number - lines_.front().line].text;
    }

    // From where the object was taken to the bracket that ends its block.
    std::uint32_t block_end() const {
        int depth = 0;
        for (std::uint32_t number = begin_.line; number < lines_.back().line; ++number) {
            depth += depth_change(text_of(number));
            if (depth < 0) return number;
        }
        return lines_.back().line;
    }

    // The events of the object's own function since it was taken, the first one first.
    std::vector<int> events() const {
        std::vector<int> out;
        for (int i = history_.event(last_).previous, seen = 0; i > taken_ && seen < farthest_begin;
             i = history_.event(i).previous, ++seen)
            if (history_.event(i).frame == history_.event(taken_).frame) out.push_back(i);
        std::reverse(out.begin(), out.end());
        return out;
    }

    void follow() {
        end_.from = begin_.line;
        for (const int i : events()) {
            const SourceLine line = history_.line_of(history_.event(i));
            // A block of its own, no function: a macro's exit belongs to the line where that begins.
            const bool own = block_end_ < lines_.back().line && line.file == begin_.file &&
                             line.line >= lines_.front().line && line.line <= lines_.back().line;
            end_.left_block = own && (line.line < begin_.line || line.line > block_end_);
            if (end_.left_block) return;
            const Instruction code = decode(history_.event(i).text);
            if (code.kind == Kind::branch) {
                end_.branch = i;
                end_.lines.clear();
                end_.from = begin_.line;
                end_.null_tested =
                    end_.null_tested ||
                    (code.operand == "0x0" && read_held(history_.held_before(i, code.source)).can_be_null());
            } else if (line.file == begin_.file) {
                end_.lines.push_back(line.line);
            }
            if (line.file == begin_.file && line.line < lines_.back().line)
                end_.from = std::max(end_.from, line.line);
        }
    }

    PlacedLine in_front_of(std::string_view statement, std::uint32_t line, const std::string& release) const {
        std::string out = text_of(line);
        const auto at = static_cast<std::size_t>(statement.data() - text_of(line).data());
        out.replace(at, statement.size(), fmt::format("{{ {} {} }}", release, statement));
        return {std::move(out), line};
    }

    // The statement that gives the object back behind a tail call: "bpf_ringbuf_submit(e, 0);".
    bool gives_back_here(std::string_view text) const {
        const std::size_t open = text.find('(');
        return open != std::string_view::npos && is_identifier(text.substr(0, open)) &&
               gives_back(text.substr(0, open)) && text.ends_with(");") &&
               call_argument(text, text.substr(0, open), 1) == variable_;
    }

    // The way that ends in a call: given back in front of it. Behind a tail call that fails it would be given back
    // twice, so the line leaves as the lines behind it do.
    std::optional<PlacedLine> before_call(bool goes_on, const std::string& test, std::string release) const {
        const SourceLine call = history_.line_of(history_.event(last_));
        if (!call.text.ends_with(");")) return std::nullopt;
        std::string leaving;
        for (const SourceLine& line : lines_) {
            if (!goes_on || line.line <= call.line || line.text.empty()) continue;
            if (gives_back_here(line.text)) {
                release = line.text;
                continue;
            }
            leaving = return_in(line.text);
            if (leaving != line.text) return std::nullopt;
            leaving.insert(0, " ");
            break;
        }
        return PlacedLine{fmt::format("{{ {}{} {}{} }}", test, release, call.text, leaving), call.line};
    }

    // The line of the jump that the body of the branch ends with, and the body's last line; 0: it has none.
    std::pair<std::uint32_t, std::uint32_t> jump_of_branch(std::uint32_t branch) const {
        if (!way_in(text_of(branch)).empty()) return {branch, branch};
        std::uint32_t line = branch + 1;
        if (!text_of(branch).ends_with("{"))
            return way_in(text_of(line)).empty() ? std::pair(0u, 0u) : std::pair(line, line);
        std::uint32_t statement = 0;
        for (int depth = 1; line < lines_.back().line; ++line) {
            depth += depth_change(text_of(line));
            if (depth <= 0) break;
            if (!text_of(line).empty()) statement = line;
        }
        const bool jumps = statement != 0 && way_in(text_of(statement)) == text_of(statement);
        return jumps ? std::pair(statement, line) : std::pair(0u, 0u);
    }

    // Where the jump goes: the label's line, or the end of the loop around `line`; 0: that cannot be told.
    std::uint32_t goal_of(std::string_view jump, std::uint32_t line) const {
        if (jump.starts_with("return")) return lines_.back().line;
        if (jump.starts_with("goto ")) {
            const std::string label = fmt::format("{}:", trim(jump.substr(5, jump.size() - 6)));
            for (std::uint32_t number = line; number <= lines_.back().line; ++number)
                if (text_of(number) == label) return number;
            return 0;
        }
        // The first bracket from there on that closes a loop which begins before.
        for (std::uint32_t number = line + 1; number <= lines_.back().line; ++number)
            if (text_of(number).starts_with("}") && closes_loop_around(number, line)) return number;
        return 0;
    }

    bool closes_loop_around(std::uint32_t end, std::uint32_t line) const {
        int depth = 0;
        for (std::uint32_t number = end; number > lines_.front().line; --number) {
            depth -= depth_change(text_of(number));
            if (depth > 0) continue;
            const std::string_view text = text_of(number);
            return number < line &&
                   (text.starts_with("for ") || text.starts_with("for(") || text.starts_with("while ") ||
                    text.starts_with("while(") || text.starts_with("bpf_for"));
        }
        return false;
    }

    // "goto out;" behind the last branch, where the path came by none of the lines that the jump leaves out.
    std::optional<PlacedLine> before_jump(const std::string& release) const {
        if (end_.branch < 0) return std::nullopt;
        const std::uint32_t branch = history_.line_of(history_.event(end_.branch)).line;
        if (branch <= begin_.line || branch + 1 >= lines_.back().line) return std::nullopt;
        const auto [line, body_end] = jump_of_branch(branch);
        if (line == 0 || line > block_end_ || has_word(way_in(text_of(line)), variable_)) return std::nullopt;
        const std::string_view jump = way_in(text_of(line));
        const std::uint32_t goal = goal_of(jump, body_end);
        const auto left_out = [&](std::uint32_t number) { return number > body_end && number < goal; };
        bool code = false;
        for (const SourceLine& each : lines_)
            code = code || (left_out(each.line) && each.text.ends_with(";") && return_in(each.text).empty());
        if (!code || std::any_of(end_.lines.begin(), end_.lines.end(), left_out)) return std::nullopt;
        return in_front_of(jump, line, release);
    }

    // The first return from the last line on that the path came by; 0: a jump comes first, or there is none.
    std::uint32_t first_return() const {
        for (std::uint32_t number = std::max(end_.from, begin_.line + 1); number <= lines_.back().line;
             ++number) {
            if (!return_in(text_of(number)).empty()) return number;
            if (jumps_elsewhere(text_of(number)) || has_word(text_of(number), "return")) return 0;
        }
        return 0;
    }

    // A branch with a return on both sides: the number that is returned tells which, or nothing does.
    bool is_this_return(std::uint32_t found, std::string_view given) const {
        std::string_view digits = given;
        const auto literal = take_number(digits);
        const auto held = read_held(history_.held_before(last_, "R0")).number;
        if (literal && digits.empty() && held)
            return static_cast<std::int32_t>(*literal) == static_cast<std::int32_t>(*held);
        for (std::uint32_t number = found + 1; number < lines_.back().line; ++number) {
            const std::string_view text = text_of(number);
            if (text.empty() || text == "}" || text.starts_with("//") || text.starts_with("#")) continue;
            return return_in(text).empty() || end_.branch < 0 ||
                   end_.from != history_.line_of(history_.event(end_.branch)).line;
        }
        return true;
    }

    std::optional<PlacedLine> before_return(const std::string& release) const {
        const std::uint32_t found = first_return();
        if (found == 0) return std::nullopt;
        const std::string_view leaves = return_in(text_of(found));
        // What is given back must be known there, and the return must not read it.
        const std::string_view given = trim(leaves.substr(6, leaves.size() - 7));
        if (!is_this_return(found, given) || found > block_end_ || has_word(given, variable_))
            return std::nullopt;
        return in_front_of(leaves, found, release);
    }
};

std::optional<WayOut> way_out_of(const History& history, const SourceLines& source, int taken, int last,
                                 std::string_view variable) {
    if (taken < 0 || last <= taken) return std::nullopt;
    if (history.event(taken).frame != history.event(last).frame) return std::nullopt;
    std::vector<SourceLine> lines = source.function_around(history.line_of(history.event(taken)));
    if (lines.empty()) return std::nullopt;
    return WayOut(history, std::move(lines), taken, last, variable);
}

}  // namespace

std::optional<PlacedLine> way_out_with(const History& history, const SourceLines& source, int taken, int last,
                                       const std::string& release, std::string_view variable) {
    if (release.empty()) return std::nullopt;
    const auto way = way_out_of(history, source, taken, last, variable);
    return way ? way->with(release) : std::nullopt;
}

int branch_out(const History& history, const SourceLines& source, int taken, int last) {
    const auto way = way_out_of(history, source, taken, last, {});
    return way ? way->branch() : -1;
}

}  // namespace waggle::kernel
