// SPDX-License-Identifier: Apache-2.0
#include "verifier/remedy.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>

#include "base/text.h"
#include "verifier/code.h"
#include "verifier/expression.h"
#include "verifier/figures.h"

namespace waggle::kernel {
namespace {

using Kind = Instruction::Kind;

constexpr int farthest_test = 4'000;  // events looked at on the way back

// The next place of `word` as a whole word, from `from` on.
std::size_t find_word(std::string_view text, std::string_view word, std::size_t from = 0) {
    if (word.empty()) return std::string_view::npos;
    for (std::size_t at = text.find(word, from); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const bool begins = at == 0 || !is_word(text[at - 1]);
        const std::size_t end = at + word.size();
        if (begins && (end >= text.size() || !is_word(text[end]))) return at;
    }
    return std::string_view::npos;
}

// Nothing but names, members and elements, without a call or a change: it can stand a second time.
bool can_be_repeated(std::string_view expression) {
    if (expression.empty() || is_digit(expression[0])) return false;
    for (std::size_t i = 0; i < expression.size(); ++i) {
        const char c = expression[i];
        if (is_word(c) || c == '.' || c == '[' || c == ']') continue;
        if (c == '-' && expression.substr(i).starts_with("->")) {
            ++i;
            continue;
        }
        return false;
    }
    return true;
}

// Whether the line makes a pointer of what it computes: "struct tlv *second = ...".
bool assigns_pointer(std::string_view text, std::string_view variable) {
    const std::size_t at = find_word(text, variable);
    if (at == std::string_view::npos) return false;
    const std::string_view before = trim(text.substr(0, at));
    if (before.ends_with("*")) return true;
    const std::size_t equals = text.find('=', at);
    if (equals == std::string_view::npos) return false;
    const std::string_view right = trim(text.substr(equals + 1));
    return right.starts_with("(") && right.substr(0, right.find(')')).ends_with("*");
}

// What the source calls the number that the event's instruction makes.
std::string name_of_number(const SourceLine& line) {
    // "off += length;": the sum has the name that stands left.
    const std::string_view left = std::string_view(line.text).substr(0, line.text.find(" += "));
    if (left.size() < line.text.size() && is_identifier(left)) return std::string(left);
    const std::string_view assigned = assigned_variable(line.text, line.column);
    if (!assigned.empty() && !assigns_pointer(line.text, assigned)) return std::string(assigned);
    const std::string_view expression = expression_at(line.text, line.column);
    return can_be_repeated(expression) && expression.size() < line.text.size() ? std::string(expression)
                                                                               : std::string();
}

bool is_extension(const Instruction& code) {
    return (code.operation == "<<=" || code.operation == ">>=" || code.operation == "s>>=") &&
           (code.operand == "32" || code.operand == "48" || code.operand == "56");
}

}  // namespace

IndexWay follow_index_back(const History& history, int moved, std::string reg) {
    IndexWay way;
    if (moved < 0 || reg.empty()) return way;
    const std::uint32_t frame = history.event(moved).frame;
    const auto note_bounds = [&](int index, bool after) {
        const Held held = read_held(after ? history.held_after(index, reg) : history.held_before(index, reg));
        if (!held.is_scalar() || way.lowest || way.highest) return;
        way.lowest = held.smallest();
        way.highest = held.largest();
    };
    const auto note_name = [&](int index) {
        if (!way.expression.empty()) return;
        const SourceLine line = history.line_of(history.event(index));
        way.expression = name_of_number(line);
        if (!way.expression.empty()) way.expression_at = line;
    };
    bool scaled = false;
    for (int i = history.event(moved).previous, seen = 0; i >= 0 && seen < farthest_test;
         i = history.event(i).previous, ++seen) {
        const LogEvent& at = history.event(i);
        const Instruction code = decode(at.text);
        if (at.frame == frame && code.kind == Kind::call_local && !at.called.empty() && reg == "R0") {
            way.origin = i;
            way.global_function = at.called;
            note_name(i);
            return way;
        }
        if (at.frame != frame) {
            if (at.frame < frame) return way;
            continue;
        }
        if (code.kind == Kind::store && !code.slot().empty() && code.slot() == reg && !code.source.empty()) {
            reg = code.source;
            continue;
        }
        if (code.dest != reg) continue;
        switch (code.kind) {
            case Kind::arithmetic: {
                if (is_extension(code)) {
                    way.sign_extended = way.sign_extended || code.operation == "s>>=";
                    break;
                }
                std::string_view operand = code.operand;
                const std::int64_t number = code.source.empty() ? take_number(operand).value_or(0) : 0;
                if (code.operation == "/=" || code.operation == ">>=") way.divided = true;
                if (code.operation == "<<=" && number > 0 && number < 16 && !scaled) {
                    way.element_bytes <<= number;
                } else if (code.operation == "*=" && number > 0 && number < 65536 && !scaled) {
                    way.element_bytes *= number;
                } else {
                    // "number >> 20 << 3" in one step: shifted by less, and the lowest bits cleared.
                    const int cleared =
                        code.operation == "&=" && number > 0 && !scaled && way.element_bytes == 1
                            ? std::countr_zero(static_cast<std::uint64_t>(number))
                            : 0;
                    if (cleared > 0 && cleared < 16) {
                        way.element_bytes <<= cleared;
                        way.lowest = 0;
                        way.highest = number >> cleared;
                    }
                    note_bounds(i, true);
                    note_name(i);
                    scaled = true;  // what follows belongs to the number itself
                }
                break;
            }
            case Kind::copy:
                way.sign_extended = way.sign_extended || code.operand.starts_with("(s");
                note_bounds(i, true);
                reg = code.source;
                break;
            case Kind::load:
                if (const std::string slot = code.slot(); !slot.empty()) {
                    reg = slot;
                    break;
                }
                way.sign_extended = way.sign_extended || code.width.starts_with("s");
                [[fallthrough]];
            case Kind::call:
            case Kind::constant:
                note_bounds(i, true);
                note_name(i);
                way.origin = i;
                return way;
            case Kind::other:
            case Kind::store:
            case Kind::branch:
            case Kind::call_local:
            case Kind::exit:
                return way;
        }
    }
    return way;
}

int test_of_a_copy(const History& history, int moved, const IndexWay& way) {
    if (way.origin < 0) return -1;
    constexpr int most_tests = 24;
    int last_test = -1, tests = 0;
    bool bounds_below = false, bounds_above = false;
    for (int i = history.event(moved).previous, seen = 0;
         i > way.origin && seen < farthest_test && tests < most_tests;
         i = history.event(i).previous, ++seen) {
        if (history.event(i).frame != history.event(moved).frame) continue;
        const Instruction code = decode(history.event(i).text);
        if (code.kind != Kind::branch || !code.base.empty()) continue;
        std::string_view operand = code.operand;
        const auto limit = take_number(operand);
        if (!limit || code.operation == "==" || code.operation == "!=") continue;
        ++tests;
        const IndexWay tested = follow_index_back(history, i, code.source);
        if (tested.origin != way.origin || tested.element_bytes != 1) continue;
        last_test = i;
        const bool as_signed = code.operation.starts_with("s");
        const bool below = code.operation.find('<') != std::string_view::npos || *limit <= 0;
        bounds_below = bounds_below || !as_signed || below;
        bounds_above = bounds_above || !as_signed || !below;
    }
    // A test of one side only is not what the compiler took apart: the other side is missing in the source.
    return bounds_below && bounds_above ? last_test : -1;
}

namespace {

// "data_end" of "if (data + 1 > data_end)": the side of a comparison that is a name alone.
std::string_view lone_side(std::string_view text) {
    for (const std::string_view operation : {">=", "<=", ">", "<"}) {
        for (std::size_t at = text.find(operation); at != std::string_view::npos;
             at = text.find(operation, at + 1)) {
            if (at > 0 && (text[at - 1] == '-' || text[at - 1] == '>' || text[at - 1] == '<')) continue;
            std::string_view right = trim(text.substr(at + operation.size()));
            std::size_t end = 0;
            while (end < right.size() && is_word(right[end])) ++end;
            const std::string_view after = trim(right.substr(end));
            if (end > 0 && is_identifier(right.substr(0, end)) &&
                (after.empty() || after[0] == ')' || after[0] == '|' || after[0] == '&' || after[0] == ';'))
                return right.substr(0, end);
        }
        break;
    }
    return {};
}

}  // namespace

std::string packet_end_name(const History& history, int fault) {
    if (fault < 0) return {};
    const SourceLine here = history.line_of(history.event(fault));
    std::string best;
    std::uint32_t best_line = 0;
    const auto offer = [&](std::string_view name, const SourceLine& line) {
        if (name.empty() || line.file != here.file || line.line > here.line || line.line < best_line) return;
        if (line.line == best_line && !best.empty()) return;
        best = name;
        best_line = line.line;
    };
    for (int i = fault, seen = 0; i >= 0 && seen < farthest_test; i = history.event(i).previous, ++seen) {
        const LogEvent& at = history.event(i);
        const Instruction code = decode(at.text);
        if (code.kind == Kind::load && read_held(history.held_after(i, code.dest)).kind == "pkt_end") {
            const SourceLine line = history.line_of(at);
            const std::size_t field = line.text.find("->data_end");
            offer(field == std::string::npos
                      ? assigned_variable(line.text, line.column)
                      : assigned_variable(line.text, static_cast<std::uint32_t>(field) + 1),
                  line);
        }
        if (code.kind == Kind::branch && !code.base.empty() &&
            (read_held(history.held_before(i, code.base)).kind == "pkt_end" ||
             read_held(history.held_before(i, code.source)).kind == "pkt_end")) {
            const SourceLine line = history.line_of(at);
            const std::string_view name = lone_side(line.text);
            offer(name, line);
        }
    }
    return best;
}

int packet_subtraction(const History& history, int fault) {
    for (int i = fault, seen = 0; i >= 0 && seen < farthest_test; i = history.event(i).previous, ++seen) {
        const Instruction code = decode(history.event(i).text);
        if (code.kind != Kind::arithmetic || code.operation != "-=" || code.source.empty()) continue;
        const Held left = read_held(history.held_before(i, code.dest));
        const Held right = read_held(history.held_before(i, code.source));
        if (left.kind == "pkt_end" && right.is_packet()) return i;
    }
    return -1;
}

bool in_loop(const History& history, int index) {
    if (index < 0) return false;
    const LogEvent& last = history.event(index);
    for (int i = last.previous, seen = 0; i >= 0 && seen < farthest_test;
         i = history.event(i).previous, ++seen) {
        if (history.event(i).frame < last.frame) return false;  // the function (or callback) began here
        if (history.event(i).insn == last.insn && history.event(i).frame == last.frame) return true;
    }
    return false;
}

namespace {

// The call that gives back what the event at `taken` gave, in the source's own names; empty where it cannot
// be told.
std::string giving_back(const History& history, int taken) {
    const Instruction code = decode(history.event(taken).text);
    const SourceLine line = history.line_of(history.event(taken));
    constexpr std::string_view begins = "_new";
    if (code.function.starts_with("bpf_iter_") && code.function.ends_with(begins)) {
        const std::string_view iterator = call_argument(line.text, code.function, 1);
        if (iterator.empty()) return {};
        return fmt::format("{}destroy({});",
                           code.function.substr(0, code.function.size() - begins.size() + 1), iterator);
    }
    const std::string release = history.release_of(code.function);
    if (release.empty()) return {};
    const std::string_view variable = assigned_variable(line.text, line.column);
    if (variable.empty()) return {};
    return fmt::format("{}({}{});", release, variable, release.starts_with("bpf_ringbuf") ? ", 0" : "");
}

// The call before event `index` that took the object with this number; -1: none.
int call_that_took(const History& history, int index, std::string_view id) {
    for (int i = history.event(index).previous, seen = 0; i >= 0 && seen < farthest_test;
         i = history.event(i).previous, ++seen) {
        if (decode(history.event(i).text).kind != Kind::call) continue;
        if (read_held(history.held_after(i, "R0")).part("ref_obj_id") == id) return i;
        // An iterator lies on the stack: "fp-8=iter_num(ref_id=1,state=active,depth=0)".
        for (const NamedState& state : history.event(i).after)
            if (state.name.starts_with("fp") && read_held(state.value).part("ref_id") == id) return i;
    }
    return -1;
}

}  // namespace

std::string leave_statement(const History& history, int index, std::string_view verdict) {
    if (in_loop(history, index)) return "break;";
    std::string before;
    // "refs=2,4": what is held here, by the number of what was taken.
    for (const std::string_view id : split(history.held_before(index, "refs"), ',')) {
        if (trim(id).empty()) continue;
        const int taken = call_that_took(history, index, trim(id));
        if (taken < 0) return {};
        // bpf_for() and bpf_for_each() end their iterator themselves.
        if (history.line_of(history.event(taken)).text.find("bpf_for") != std::string::npos) continue;
        const std::string release = giving_back(history, taken);
        if (release.empty()) return {};  // held, and it cannot be told how to give it back
        before += (before.empty() ? "" : " ") + release;
    }
    const int lock = history.call_before(index, "bpf_spin_lock");
    if (lock >= 0 && history.call_before(index, "bpf_spin_unlock") < lock) {
        const SourceLine line = history.line_of(history.event(lock));
        const std::string_view given = call_argument(line.text, "bpf_spin_lock", 1);
        if (given.empty()) return {};
        before += fmt::format("{}bpf_spin_unlock({});", before.empty() ? "" : " ", given);
    }
    const std::string out = fmt::format("return {};", verdict);
    return before.empty() ? out : fmt::format("{{ {} {} }}", before, out);
}

namespace {

// The words in front of the variable where a line declares it: "const volatile __u32"; none: no declaration.
std::optional<std::string_view> declaration_of(std::string_view text, std::string_view variable) {
    for (std::size_t at = find_word(text, variable); at != std::string_view::npos;
         at = find_word(text, variable, at + 1)) {
        std::size_t begin = text.find_last_of(";{(,", at);
        begin = begin == std::string_view::npos ? 0 : begin + 1;
        const std::string_view before = trim(text.substr(begin, at - begin));
        if (before.empty() || before.find_first_of("=-+/&|<>!?\"") != std::string_view::npos) continue;
        const std::string_view first = before.substr(0, before.find(' '));
        if (is_identifier(first) && first != "return" && first != "else" && first != "case" &&
            first != "goto")
            return before;
    }
    return std::nullopt;
}

}  // namespace

Signedness declared_signedness(const std::vector<SourceLine>& lines, std::string_view variable) {
    if (!is_identifier(variable)) return Signedness::unknown;
    for (const SourceLine& line : lines) {
        const auto type = declaration_of(line.text, variable);
        if (!type || type->find('*') != std::string_view::npos) continue;
        for (const std::string_view word :
             {"unsigned", "__u", "u8", "u16", "u32", "u64", "size_t", "uint", "_Bool", "bool"})
            if (type->find(word) != std::string_view::npos &&
                !(word == "size_t" && type->find("ssize_t") != std::string_view::npos))
                return Signedness::is_unsigned;
        for (const std::string_view word :
             {"int", "long", "short", "signed", "__s", "s8", "s16", "s32", "s64", "char"})
            if (type->find(word) != std::string_view::npos) return Signedness::is_signed;
    }
    return Signedness::unknown;
}

bool declared_as_array(const std::vector<SourceLine>& lines, std::string_view variable) {
    if (!is_identifier(variable)) return false;
    for (const SourceLine& line : lines) {
        const auto type = declaration_of(line.text, variable);
        if (!type) continue;
        const std::size_t at =
            find_word(line.text, variable, static_cast<std::size_t>(type->data() - line.text.data()));
        const std::string_view behind = trim(std::string_view(line.text).substr(at + variable.size()));
        if (behind.starts_with("[") && type->find('*') == std::string_view::npos) return true;
    }
    return false;
}

bool is_body_without_braces(const std::vector<SourceLine>& lines, const SourceLine& line) {
    for (const SourceLine& each : lines) {
        if (each.file != line.file || each.line + 1 != line.line) continue;
        const std::string_view text = trim(each.text);
        const bool control = text.starts_with("if ") || text.starts_with("if(") || text.starts_with("for ") ||
                             text.starts_with("for(") || text.starts_with("while ") ||
                             text.starts_with("while(") || text.starts_with("else") ||
                             text.starts_with("} else");
        if (control && !text.ends_with("{") && !text.ends_with(";")) return true;
    }
    return false;
}

}  // namespace waggle::kernel
