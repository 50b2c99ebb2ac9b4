// SPDX-License-Identifier: Apache-2.0
#include "verifier/repairs.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/remedy.h"

namespace waggle::kernel {
namespace {

using Code = Instruction::Kind;

class Repairs : LineRemedies {
  public:
    using LineRemedies::LineRemedies;

    void add() {
        buffer();
        key();
        short_key();
        constant();
        constant_text();
        exchange();
        plain_change();
        as_static();
        packet_again();
        turned_test();
        tests_apart();
        one_copy();
    }

  private:
    const SourceLine* line_numbered(std::uint32_t number) const {
        for (const SourceLine& line : lines_)
            if (line.line == number) return &line;
        return nullptr;
    }

    int argument() const {
        return it_.code.kind == Code::call && it_.reg.size() == 2 && it_.reg[1] >= '1' && it_.reg[1] <= '5'
                   ? it_.reg[1] - '0'
                   : 0;
    }

    Held held(int number) const {
        return read_held(it_.history.held_before(it_.fault, fmt::format("R{}", number)));
    }

    // A buffer on the stack and a size that is larger: the argument behind it.
    void buffer() {
        const int number = argument();
        if (number < 1 || number > 4) return;
        const Held memory = held(number), size = held(number + 1);
        const std::string_view given = call_argument(here_.text, it_.code.function, number);
        if (memory.kind == "map_value" && size.number && given.find("->") != std::string_view::npos &&
            !calls_or_changes(given) && given.find_first_of("&*[(") == std::string_view::npos &&
            it_.context.lines && it_.context.lines->array_length(given.substr(given.rfind("->") + 2))) {
            set("room", fmt::format("sizeof({})", given));
            set_place("sized_line", with_argument(here_.text, it_.code.function, number + 1, fact("room")),
                      here_);
        }
        if (memory.kind != "fp" || !size.is_scalar()) return;
        const std::string length(call_argument(here_.text, it_.code.function, number + 1));
        const std::string_view pointee = given.starts_with("&") ? trim(given.substr(1)) : given;
        if (length.empty() || !is_identifier(pointee)) return;
        if (!given.starts_with("&") && !declared_as_array(lines_, given)) return;
        const std::string room = fmt::format("sizeof({})", pointee);
        set("room", room);
        if (size.number &&
            (!is_identifier(length) || declared_signedness(lines_, length) == Signedness::unknown)) {
            set_place("sized_line", with_argument(here_.text, it_.code.function, number + 1, room), here_);
        } else if (is_identifier(length)) {
            if (declared_signedness(lines_, length) == Signedness::is_unsigned)
                set("clamp", fmt::format("if ({} > {}) {} = {};", length, room, length, room));
            else if (!leave().empty())
                set("clamp", fmt::format("if ({} < 0 || {} > {}) {}", length, length, room, leave()));
        }
    }

    // A number that varies where the largest one belongs.
    void constant() {
        const int number = argument();
        if (number != 2 || it_.code.function != "bpf_ringbuf_reserve") return;
        const auto largest = held(2).largest();
        if (!largest || *largest <= 0 || *largest > 65536) return;
        set("highest", std::to_string(*largest));
        // "if (n > 512) n = 512;" has two ways, and this one can be the one on which it is 511 at most.
        constexpr std::int64_t unit = 8;
        const std::int64_t rounded = (*largest + unit - 1) / unit * unit;
        set("room_for_all", std::to_string(rounded));
        set_place("constant_line", with_argument(here_.text, it_.code.function, 2, std::to_string(rounded)),
                  here_);
    }

    // A key on the stack that is shorter than the map's keys: its declaration.
    void short_key() {
        const std::string pointee = fact("pointee"), size = fact("given_key_size");
        const std::string_view type = size == "4" ? "__u32" : size == "8" ? "__u64" : "";
        if (argument() != 2 || !is_identifier(pointee) || type.empty()) return;
        const SourceLine* found = nullptr;
        std::string_view declared;
        for (const SourceLine& line : lines_)
            for (const std::string_view each : {"__u8", "__u16", "__u32", "u8", "u16", "u32", "int",
                                                "unsigned int", "short", "char", "__be16", "__be32"})
                if (line.line < here_.line && line.text.starts_with(fmt::format("{} {}", each, pointee)) &&
                    (line.text.substr(each.size() + 1 + pointee.size()).starts_with(" =") ||
                     line.text.substr(each.size() + 1 + pointee.size()).starts_with(";"))) {
                    if (found) return;
                    found = &line;
                    declared = each;
                }
        if (found)
            set_place("wide_key_line", std::string(type) + found->text.substr(declared.size()), *found);
    }

    // A number where the address of a key belongs.
    void key() {
        if (argument() != 2 || !it_.code.function.starts_with("bpf_map_") || !held(2).is_scalar()) return;
        const std::string_view given = without_casts(call_argument(here_.text, it_.code.function, 2));
        const std::string size = fact("given_key_size");
        const std::string_view type = size == "4" ? "__u32" : size == "8" ? "__u64" : "";
        if (given.empty() || type.empty() || calls_or_changes(given)) return;
        set("key_size", size);
        set_place("key_line",
                  with_argument(here_.text, it_.code.function, 2, fmt::format("&({}){{{}}}", type, given)),
                  here_);
    }

    // A text on the stack where the helper takes a constant one.
    void constant_text() {
        const int number = argument();
        if (number != 3 || (it_.code.function != "bpf_snprintf" && it_.code.function != "bpf_strncmp"))
            return;
        set("takes_constant_text", "yes");
        const std::string_view name = call_argument(here_.text, it_.code.function, number);
        if (!is_identifier(name)) return;
        for (const SourceLine& line : lines_) {
            const std::string_view text = line.text;
            const std::string head = fmt::format("char {}[] = \"", name);
            if (line.line >= here_.line) break;
            if (text.starts_with(head))
                set_place("text_line", "static const " + line.text, line);
            else if (text.starts_with("const " + head))
                set_place("text_line", "static " + line.text, line);
        }
    }

    // "__sync_fetch_and_add(&word[2], 1);" on memory that takes no atomic operation.
    void plain_change() {
        constexpr std::string_view call = "__sync_fetch_and_add";
        if (!here_.text.starts_with(call) || !here_.text.ends_with(");")) return;
        const std::string_view place = call_argument(here_.text, call, 1),
                               number = call_argument(here_.text, call, 2);
        if (place.empty() || number.empty() || calls_or_changes(place)) return;
        set_place("plain_line",
                  place.starts_with("&") ? fmt::format("{} += {};", trim(place.substr(1)), number)
                                         : fmt::format("*({}) += {};", place, number),
                  here_);
    }

    // The function that is called, declared static.
    void as_static() {
        const std::string function = fact("called_function");
        if (function.empty() || !it_.context.lines) return;
        const auto begin = it_.context.lines->begin_of(function);
        if (!begin) return;
        // Its first instruction can come of a line of its body.
        std::vector<SourceLine> lines = it_.context.lines->function_around(*begin);
        if (lines.empty()) lines = {*begin};
        for (const SourceLine& line : lines)
            if (line.line <= begin->line && line.text.find(function + "(") != std::string::npos &&
                !line.text.ends_with(");") && line.text.find("static") == std::string::npos)
                set_place("static_line", "static " + line.text, line);
    }

    // "field = object;" of a pointer that a map keeps.
    void exchange() {
        if (it_.code.kind != Code::store || it_.code.source.empty()) return;
        const Held object = read_held(it_.history.held_before(it_.fault, it_.code.source));
        const std::size_t type = object.kind.rfind("ptr_");
        if (type == std::string_view::npos || !object.part("ref_obj_id")) return;
        const std::string release = it_.history.release_of(object.kind.substr(type + 4));
        const std::string_view statement = expression_at(here_.text, 0);
        const std::size_t equals = statement.find(" = ");
        if (release.empty() || equals == std::string_view::npos) return;
        const std::string_view field = trim(statement.substr(0, equals)),
                               variable = trim(statement.substr(equals + 3));
        if (!is_identifier(variable) || calls_or_changes(field) || field.find(' ') != std::string_view::npos)
            return;
        // What comes later can give the object back: then the old one of the map would be given back there.
        for (const SourceLine& line : lines_)
            if (line.line > here_.line && has_word(line.text, variable)) return;
        set_place("exchange_line",
                  fmt::format("{} = bpf_kptr_xchg(&{}, {}); if ({}) {}({});", variable, field, variable,
                              variable, release, variable),
                  here_);
    }

    // The variable that a line gets from "->data" (or "->data_end") of the context.
    std::string variable_of(std::string_view field) const {
        std::string found;
        for (const SourceLine& line : lines_) {
            if (line.line > here_.line) break;
            for (std::size_t at = line.text.find(field); at != std::string::npos;
                 at = line.text.find(field, at + 1)) {
                const std::size_t end = at + field.size();
                if (end < line.text.size() && is_word(line.text[end])) continue;
                const std::string_view name =
                    assigned_variable(line.text, static_cast<std::uint32_t>(at) + 1);
                if (name.empty() || line.text.find("const " + std::string(name)) != std::string::npos)
                    continue;
                if (!found.empty() && found != name) return {};
                found = name;
            }
        }
        return found;
    }

    // The one statement before the fault that gives `name` its value: what stands right of "=", with the ";".
    std::string_view given_to(std::string_view name) const {
        std::string_view found;
        for (const SourceLine& line : lines_) {
            if (line.line >= here_.line) break;
            if (line.text.starts_with("//") || assigned_variable(line.text, 0) != name) continue;
            const std::string_view text = line.text;
            const std::size_t equals = text.find(" = ");
            if (equals == std::string_view::npos || text.find(';') + 1 != text.size() || !found.empty())
                return {};
            found = text.substr(equals + 3);
        }
        return found;
    }

    // "ip = data + sizeof(*eth); tcp = (void *)(ip + 1); " for tcp, where each got its value once.
    std::string chain_from(std::string_view begin, std::string_view name, int depth) const {
        const std::string_view given = given_to(name);
        if (given.empty() || depth == 0) return {};
        std::string own = fmt::format("{} = {} ", name, given);
        if (has_word(given, begin)) return own;
        for (const SourceLine& line : lines_) {
            const std::string_view other = assigned_variable(line.text, 0);
            if (line.line >= here_.line || other.empty() || other == name || !has_word(given, other))
                continue;
            const std::string before = chain_from(begin, other, depth - 1);
            return before.empty() ? std::string() : before + own;
        }
        return {};
    }

    // The same for the one variable of the line at fault that comes from `begin`.
    std::string assignment_from(std::string_view begin) const {
        constexpr int most_links = 4;
        std::string found;
        for (const SourceLine& line : lines_) {
            const std::string_view name = assigned_variable(line.text, 0);
            if (line.line >= here_.line || name.empty() || !has_word(here_.text, name)) continue;
            const std::string chain = chain_from(begin, name, most_links);
            if (chain.empty() || chain == found) continue;
            if (!found.empty()) return {};
            found = chain;
        }
        return found;
    }

    // A packet pointer that a helper voided: got anew, as far from the packet's begin and tested as far as before.
    void packet_again() {
        if (it_.path.lost_by.empty() || it_.path.lost_event < 0 || !it_.context.lines) return;
        if (it_.history.event(it_.fault).frame != 0) return;
        // Inside a function of the program: the call of that function.
        int moved = it_.path.lost_event;
        while (moved >= 0 && it_.history.event(moved).frame != 0) moved = it_.history.event(moved).previous;
        if (moved < 0) return;
        const Held before = read_held(it_.history.held_before(moved, it_.path.lost_register));
        const std::string begin = variable_of("->data"), end = variable_of("->data_end");
        // What has no name of its own, and is the packet's begin, has that one's.
        const std::string variable = fact("var").empty() && before.offset() == 0 ? begin : fact("var");
        const std::string context = it_.context.lines->first_parameter(it_.program);
        if (before.kind != "pkt" || before.part("id").value_or("0") != "0" || !is_identifier(variable) ||
            context.empty() || leave().empty() || lines_.empty())
            return;
        std::string_view tested = before.part("r").value_or("0");
        const std::int64_t off = before.offset(), range = take_number(tested).value_or(0);
        const std::int64_t needed = std::max(
            range - off, it_.code.kind == Code::call ? 0 : it_.code.offset + width_of(it_.code.width));
        if (off < 0 || needed <= 0) return;
        // The compiler can reach one variable's place through another: then it is not this one that is used.
        std::string derived;
        if (!has_word(here_.text, variable)) {
            if (variable != begin) return;
            derived = assignment_from(variable);
            if (derived.empty()) return;
        }
        std::string text;
        const std::string from = fmt::format("(void *)(long){}->data", context);
        std::string start = from;
        if (!begin.empty()) {
            text += fmt::format("{} = {}; ", begin, from);
            start = "(void *)" + begin;
        }
        std::string limit = fmt::format("(void *)(long){}->data_end", context);
        if (!end.empty()) {
            text += fmt::format("{} = {}; ", end, limit);
            limit = "(void *)" + end;
        }
        if (variable != begin)
            text += off > 0 ? fmt::format("{} = {} + {}; ", variable, start, off)
                            : fmt::format("{} = {}; ", variable, start);
        else if (off != 0 && derived.empty())
            return;  // the variable was moved since
        text += derived;
        // What the line uses lies `off` behind the begin.
        const std::int64_t reach = variable == begin ? off + needed : needed;
        text += fmt::format("if ((void *){} + {} > {}) {}", variable, reach, limit, leave());
        set("read_again", text);
        // Right behind the call, so that it holds on all ways from there; else in front of the fault.
        const SourceLine lost = it_.history.line_of(it_.history.event(moved));
        if (lost.file != here_.file || lost.line == 0 || lost.line >= here_.line ||
            !lost.text.ends_with(";") || is_body_without_braces(lines_, lost))
            return;
        if (std::count(lost.text.begin(), lost.text.end(), '(') !=
            std::count(lost.text.begin(), lost.text.end(), ')'))
            return;
        int depth = 0;
        for (const SourceLine& line : lines_) {
            if (line.line <= lost.line || line.line >= here_.line) continue;
            for (const char c : line.text) {
                depth += c == '{' ? 1 : c == '}' ? -1 : 0;
                if (depth < 0) return;
            }
        }
        set("read_again_at", std::to_string(lost.line));
    }

    // "if (data + 14 < data_end) return": the comparison turned round.
    void turned_test() {
        const SourceLine* line =
            line_numbered(static_cast<std::uint32_t>(number_in(facts_, "inverted_line")));
        const std::string end = fact("data_end");
        if (!line || !is_identifier(end)) return;
        std::size_t found = std::string::npos, width = 0;
        for (std::size_t at = 1; at + 1 < line->text.size(); ++at) {
            const char c = line->text[at];
            if ((c != '<' && c != '>') || line->text[at - 1] == '-') continue;
            if (found != std::string::npos || line->text[at + 1] == c) return;
            found = at;
            width = line->text[at + 1] == '=' ? 2 : 1;
        }
        if (found == std::string::npos) return;
        const std::string_view right = trim(std::string_view(line->text).substr(found + width));
        const std::string_view left = std::string_view(line->text).substr(0, found);
        const bool end_right =
            right.starts_with(end) && right.size() > end.size() && right[end.size()] == ')';
        if (!end_right && !trim(left).ends_with("(" + end)) return;
        const bool less = line->text[found] == '<';
        const std::string_view turned = end_right ? (less ? ">" : "<=") : (less ? ">=" : "<");
        set_place("turned_line", fmt::format("{}{} {}", left, turned, right), *line);
    }

    // "if (!a && !b) return 0;" of two pointers: one test behind the other, and nothing that joins them.
    void tests_apart() {
        if (fact("other_operation") != "|=") return;
        const std::string_view text = here_.text;
        if (!text.starts_with("if (")) return;
        for (const std::string_view joint : {" && ", " || "}) {
            const std::size_t at = text.find(joint), close = text.find(") ");
            if (at == std::string_view::npos || close == std::string_view::npos || close < at) continue;
            const std::string_view first = text.substr(4, at - 4);
            const std::string_view second = text.substr(at + 4, close - at - 4),
                                   body = text.substr(close + 2);
            if (!first.starts_with("!") || !second.starts_with("!") || !is_identifier(first.substr(1)) ||
                !is_identifier(second.substr(1)) || !body.starts_with("return") || !body.ends_with(";"))
                return;
            set_place("apart_line",
                      fmt::format("if ({}) {} asm volatile(\"\"); if ({}) {}", first, body, second, body),
                      here_);
            return;
        }
    }

    // "__u64 copy = *at; if (copy >= 16) return 0; ring[copy] = 1;" of an index that is no variable.
    void one_copy_of_expression(const std::string& index) {
        if (calls_or_changes(index)) return;
        // As an unsigned number it is not below 0.
        std::string outside = replace_all(fact("outside"), index, "copy");
        if (const std::size_t upper = outside.find("|| "); upper != std::string::npos)
            outside.erase(0, upper + 3);
        set_place("copied_line", with_one_copy(index, outside), here_);
    }

    // "if (next < 16) ring[next] = 1;": both see one copy.
    void one_copy() {
        const std::string index = fact("index");
        if (!fact("tested_line").empty() && !index.empty() && !is_identifier(index))
            one_copy_of_expression(index);
        if (fact("tested_line").empty() || fact("tested_line") != fact("reread_line") ||
            !is_identifier(index))
            return;
        const SourceLine* line = line_numbered(static_cast<std::uint32_t>(number_in(facts_, "tested_line")));
        if (!line || !line->text.starts_with("if (") || !line->text.ends_with(";")) return;
        for (const std::string_view change : {" = ", "++", "--", " += ", " -= "})
            if (line->text.find(index + std::string(change)) != std::string::npos) return;
        const SourceLine* next = line_numbered(line->line + 1);
        if (next && next->text.starts_with("else")) return;
        set_place("copied_line",
                  fmt::format("{{ __u64 copy = {}; {} }}", index, replace_all(line->text, index, "copy")),
                  *line);
    }
};

}  // namespace

void add_repairs(const Situation& situation, Facts& facts) {
    if (situation.fault < 0) return;
    Repairs(situation, facts).add();
    if (situation.code.kind == Instruction::Kind::call || !situation.path.lost_by.empty())
        add_call_repairs(situation, facts);
}

}  // namespace waggle::kernel
