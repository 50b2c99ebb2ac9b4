// SPDX-License-Identifier: Apache-2.0
// The register at fault: what it holds, and what the source calls its value.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "verifier/advice.h"
#include "verifier/explainer.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/findings.h"
#include "verifier/remedy.h"

namespace waggle::kernel {

using Code = Instruction::Kind;

// "R3" of "as arg #2", which some kernels count from 0 and some from 1: the one that points to the stack.
std::string Explainer::stack_argument(std::int64_t number) const {
    const auto is_stack = [&](std::int64_t which) {
        const Held held = read_held(history_.held_before(fault_, fmt::format("R{}", which)));
        return held.kind == "fp" || held.kind == "dynptr_ptr";
    };
    const bool same = is_stack(number), next = is_stack(number + 1);
    if (same == next) return {};
    return fmt::format("R{}", same ? number : number + 1);
}

// The register of an argument that the complaint names by number.
std::string Explainer::register_of_argument() const {
    if (complains_of("helper access to the packet is not allowed"))
        for (const std::string_view reg : {"R1", "R2", "R3", "R4", "R5"})
            if (read_held(history_.held_before(fault_, reg)).is_packet()) return std::string(reg);
    for (const std::string_view line : log_.complaints) {
        const std::string_view text = line.substr(0, longest_line);
        if (auto stack = match_pattern("{rest} as arg #{arg:d}", text))
            return stack_argument(number_in(*stack, "arg"));
        // Of kernel functions counted from 0, of helpers from 1.
        if (auto helper = match_pattern("Possibly NULL pointer passed to helper arg{arg:d}", text))
            return "R" + (*helper)["arg"];
        if (auto named = match_pattern("arg#{arg:d} is expected to be non-NULL", text);
            named && code_.kind == Code::call_local)
            return fmt::format("R{}", number_in(*named, "arg") + 1);
        for (const std::string_view pattern : {"Possibly NULL pointer passed to trusted arg{arg:d}",
                                               "arg#{arg:d} {rest}", "arg{arg:d} expected pointer to func"})
            if (auto named = match_pattern(pattern, text); named && code_.kind == Code::call)
                return fmt::format("R{}", number_in(*named, "arg") + 1);
    }
    return {};
}

void Explainer::find_register() {
    for (const std::string_view line : log_.complaints)
        if (reg_.empty()) reg_ = register_in(line.substr(0, longest_line));
    if (fault_ < 0) return;
    code_ = decode(history_.event(fault_).text);
    if (!reg_.empty()) return;
    reg_ = register_of_argument();
    if (!reg_.empty()) return;
    if (code_.kind == Code::load || code_.kind == Code::store) reg_ = code_.base;
    if (code_.kind == Code::arithmetic) reg_ = code_.dest;
    if (code_.kind == Code::exit) reg_ = "R0";
}

void Explainer::describe_held(std::string_view text) {
    const Held held = read_held(text);
    set("held_kind", held.kind);
    set("held", history_.describe(text));
    if (held.can_be_null()) set("can_be_null", "yes");
    if (held.is_scalar()) set("is_number", "yes");
    if (const std::size_t at = held.kind.rfind("ptr_"); at != std::string_view::npos) {
        std::string_view type = held.kind.substr(at + 4);
        if (type.starts_with("or_null_")) type.remove_prefix(8);
        set("acquire", text_named(words_.acquires, type));
    }
    if (held.kind.find("rdonly") != std::string_view::npos) set("read_only", "yes");
    if (auto map = held.part("map")) set("map", *map);
    if (auto size = held.part("vs")) set("value_size", *size);
    if (auto lowest = held.smallest()) set("lowest", std::to_string(*lowest));
    if (auto highest = held.largest()) set("highest", std::to_string(*highest));
    if (auto id = held.part("id")) set("id", *id);
    const std::int64_t width = width_of(code_.width), size = number_in(facts_, "value_size");
    if (size > 0) set("limit_guess", std::to_string(size));
    std::string_view offset = held.part("off").value_or("0");
    first_element_ = take_number(offset).value_or(0) + code_.offset;
    const std::int64_t rest = size - first_element_;
    if (width > 0 && first_element_ >= 0 && rest > 0 && rest % width == 0)
        set("entries", std::to_string(rest / width));
    if (held.is_packet()) set("held_packet", "yes");
    if (held.kind == "map_value") bound_to_variable(held, width);
}

// A section of globals is one value of a map; the variable in it ends earlier.
void Explainer::bound_to_variable(const Held& held, std::int64_t width) {
    if (path_.origin < 0 || decode(history_.event(path_.origin).text).kind != Code::constant) return;
    facts_.erase("entries");
    facts_.erase("limit_guess");
    global_ = true;
    const std::string_view map = held.part("map").value_or("");
    const std::size_t dot = map.find('.');
    if (dot == std::string_view::npos || !context_.lines || first_element_ < 0) return;
    const auto end =
        context_.lines->variable_end(map.substr(dot), static_cast<std::uint64_t>(first_element_));
    if (!end) return;
    if (width > 0) set("entries", std::to_string((static_cast<std::int64_t>(*end) - first_element_) / width));
    set("variable_bytes", std::to_string(static_cast<std::int64_t>(*end) - first_element_));
}

// The variable that an earlier statement put the register's value into. What the statement at fault
// assigns is what it makes of the value.
std::string_view Explainer::assigned_elsewhere(const SourceLine& fault) const {
    if (path_.variable_event < 0) return path_.variable;
    const SourceLine line = history_.line_of(history_.event(path_.variable_event));
    const bool same = line.line == fault.line && line.file == fault.file &&
                      same_statement(fault.text, line.column, fault.column);
    return same ? std::string_view{} : std::string_view(path_.variable);
}

// Left of an assignment stands what is written, right of it what is read, where it reads through a
// pointer.
std::string_view Explainer::used_in(std::string_view expression) const {
    const std::string_view right = expression.substr(std::min(expression.rfind('='), expression.size()));
    const bool reads_right = right.find_first_of("*[>") != std::string_view::npos;
    if (assigns(expression) && code_.kind != Code::store && reads_right) return indexed_variable(expression);
    return used_variable(expression);
}

// "a->buf" of "a->buf[i]", where buf is a pointer that was read, no array.
std::string_view Explainer::pointer_of_element(std::string_view expression) const {
    if (path_.origin < 0 || decode(history_.event(path_.origin).text).kind != Code::load ||
        !expression.ends_with("]"))
        return {};
    const std::string_view head = expression.substr(0, expression.find('['));
    const std::size_t member = head.rfind("->");
    if (member == std::string_view::npos || head.find_first_of("(*&") != std::string_view::npos) return {};
    if (!context_.lines || context_.lines->array_length(head.substr(member + 2))) return {};
    const SourceLine origin = history_.line_of(history_.event(path_.origin));
    const Instruction load = decode(history_.event(path_.origin).text);
    const bool from_context = read_held(history_.held_before(path_.origin, load.base)).kind == "ctx";
    return from_context || origin.text.find(head) != std::string::npos ? head : std::string_view{};
}

// "p" of "p = bpf_task_from_pid(1);": the statement only keeps what the call gives, so what else comes of its line
// belongs to a later one.
std::string_view Explainer::kept_result() const {
    if (path_.origin < 0 || path_.variable_event < 0 || path_.origin_function.empty()) return {};
    const SourceLine line = history_.line_of(history_.event(path_.origin));
    const std::size_t equals = line.text.find(" = ");
    if (equals == std::string::npos || !line.text.ends_with(");")) return {};
    const std::string_view right = without_casts(std::string_view(line.text).substr(equals + 3));
    const auto column = static_cast<std::uint32_t>(right.data() - line.text.data()) + 1;
    const std::string_view call = expression_at(line.text, column);
    return right.starts_with(written_name(path_.origin) + "(") && call.size() + 1 == right.size()
               ? std::string_view(path_.variable)
               : std::string_view{};
}

// "ctx->task" of "BPF_SEQ_PRINTF(seq, "%d", ctx->task->pid);", read from the context in the same line: a macro has no
// column of its own for what it is given.
std::string_view Explainer::field_of_context(const SourceLine& line) const {
    if (path_.origin < 0 || !context_.lines) return {};
    const Instruction load = decode(history_.event(path_.origin).text);
    if (load.kind != Code::load || history_.line_of(history_.event(path_.origin)).line != line.line ||
        read_held(history_.held_before(path_.origin, load.base)).kind != "ctx")
        return {};
    const std::string head = context_.lines->first_parameter(out_.program) + "->";
    std::string_view found;
    const std::string_view text = line.text;
    for (std::size_t at = text.find(head); at != std::string_view::npos; at = text.find(head, at + 1)) {
        std::size_t end = at + head.size();
        while (end < text.size() && is_word(text[end])) ++end;
        const std::string_view field = text.substr(at, end - at);
        if ((at > 0 && is_word(text[at - 1])) || !text.substr(end).starts_with("->")) continue;
        if (!found.empty() && found != field) return {};
        found = field;
    }
    return found;
}

// The function that the instruction at fault calls; empty where that cannot be told.
std::string Explainer::called_function() const {
    if (code_.kind == Code::call) return std::string(code_.function);
    for (const std::string_view line : log_.complaints)
        if (const auto called =
                match_pattern("Caller passes invalid args into func#{number:d} ('{function}')", line))
            return called->at("function");
    return {};
}

// What the source calls the register's value.
void Explainer::name_register() {
    const SourceLine line = history_.line_of(history_.event(fault_));
    const std::string_view assigned = assigned_elsewhere(line);
    std::string_view variable;
    const std::string called = called_function();
    if (!called.empty() && reg_.size() == 2 && reg_[1] >= '1' && reg_[1] <= '5') {
        set("argument", reg_.substr(1));
        constexpr std::size_t longest_name = 40;
        const std::string_view argument = without_casts(call_argument(line.text, called, reg_[1] - '0'));
        if (argument.starts_with("&"))
            set("pointee", base_variable(argument));
        else if (argument.size() <= longest_name)
            variable = argument;
        if (argument.empty()) variable = assigned;
    } else {
        // What it was assigned to says more than the expression, which can go through another pointer.
        variable = path_.steps.empty() ? std::string_view{} : assigned;
        if (variable.empty()) variable = kept_result();
        if (variable.empty()) variable = pointer_at(line.text, line.column);
        if (variable.empty()) variable = pointer_of_element(expression_at(line.text, line.column));
        if (variable.empty()) variable = field_of_context(line);
        if (variable.empty()) variable = used_in(expression_at(line.text, line.column));
        set("address", address_at(line.text, line.column));
    }
    set("var", variable);
    set("name", variable.empty() ? reg_ : fmt::format("{} ({})", variable, reg_));
    set("origin_function", path_.origin_function);
    if (!path_.origin_function.empty()) {
        const bool by_call = decode(history_.event(path_.origin).text).kind == Code::call;
        set("origin_name", by_call ? written_name(path_.origin) : path_.origin_function);
        set("origin", facts_["origin_name"] + "()");
    }
    if (path_.origin >= 0) {
        const LogEvent& origin = history_.event(path_.origin);
        if (path_.origin_function.empty()) set("origin", fmt::format("\"{}\"", origin.text));
        if (decode(origin.text).kind == Code::load) set_line("read_line", path_.origin);
        set_line("origin_line", path_.origin);
    }
    std::string index(index_variable(line.text));
    if (index.empty() && path_.index_event >= 0) {
        const SourceLine at = history_.line_of(history_.event(path_.index_event));
        index = index_variable(at.text);
    }
    set("index", index);
}

// What moved the pointer is a cause as well; its way stands behind the step where it was added.
void Explainer::follow_index() {
    int moved = path_.index_event;
    std::string by = path_.index_register;
    if (moved < 0 && fault_ >= 0 && code_.kind == Code::arithmetic && !code_.source.empty()) {
        moved = fault_;
        by = code_.source;
        // The number can stand left: "r0 += r6", where r6 is the pointer.
        if (read_held(history_.held_before(fault_, code_.dest)).is_scalar() &&
            !read_held(history_.held_before(fault_, by)).is_scalar()) {
            by = code_.dest;
            describe_held(history_.held_before(fault_, code_.source));
        }
    }
    if (moved < 0) return;
    moved_ = moved;
    moved_by_ = by;
    const History::Path way = history_.trace(moved, by, false);
    if (!has(facts_, "index")) set("index", way.variable);
    if (way.origin >= 0 && decode(history_.event(way.origin).text).kind == Code::load) {
        set_line("tested_line", test_before_reread(history_, way.origin));
        set_line("reread_line", way.origin);
    }
    const auto after = std::find_if(path_.steps.begin(), path_.steps.end(), [&](const Step& step) {
        return moved != fault_ && step.insn == history_.event(moved).insn;
    });
    path_.steps.insert(after == path_.steps.end() ? path_.steps.begin() : after + 1, way.steps.begin(),
                       way.steps.end());
}

}  // namespace waggle::kernel
