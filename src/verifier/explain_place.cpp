// SPDX-License-Identifier: Apache-2.0
// The line a rejection is about, and its words.
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

// The loop's own line: the first of its instructions that comes from a "for" or "while".
SourceLine Explainer::line_of_loop() const {
    for (std::uint32_t insn = *context_.loop; context_.loop_end && insn <= *context_.loop_end; ++insn) {
        const auto line = context_.lines->of(out_.program, insn);
        if (!line) break;
        for (const std::string_view word :
             {"for (", "for(", "while (", "while(", "bpf_for", "do {", "#pragma"})
            if (line->text.find(word) != std::string::npos) return *line;
    }
    // "for (;;)" has no instruction of its own: the nearest such line above the loop's first.
    std::optional<SourceLine> first;
    for (std::uint32_t insn = *context_.loop; context_.loop_end && insn <= *context_.loop_end; ++insn)
        if (const auto line = context_.lines->of(out_.program, insn);
            line && (!first || line->line < first->line))
            first = line;
    SourceLine found;
    if (first)
        for (const SourceLine& line : context_.lines->function_around(*first))
            if (line.line <= first->line &&
                (line.text.starts_with("for (") || line.text.starts_with("while (")))
                found = line;
    return found;
}

SourceLine Explainer::line_of_place(std::uint32_t insn) const {
    if (context_.loop && insn == *context_.loop && context_.lines)
        if (SourceLine loop = line_of_loop(); loop.line) return loop;
    // The compiler computes a field's offset where it likes; the line that names the field is meant.
    const auto field = facts_.find("field");
    if (field != facts_.end() && context_.lines)
        if (auto line = context_.lines->naming(out_.program, field->second, insn)) return *line;
    if (fault_ >= 0 && history_.event(fault_).insn == insn) return history_.line_of(history_.event(fault_));
    if (context_.lines)
        if (auto line = context_.lines->of(out_.program, insn)) return *line;
    // "10: return f(n - 1);" stands before the complaint.
    const std::string head = fmt::format("{}: ", insn);
    for (const std::string_view said : log_.complaints)
        if (context_.lines && said.starts_with(head))
            if (auto line = context_.lines->with_text(said.substr(head.size()))) return *line;
    return {};
}

// Arithmetic on a pointer that the compiler moved to an earlier line: the line that casts the pointer to
// a number.
SourceLine Explainer::line_of_cast() const {
    if (out_.kind != "pointer_arithmetic" || !context_.lines || !facts_.contains("var") ||
        !has(facts_, "op") || history_.event(std::max(fault_, 0)).text.empty() || fault_ < 0)
        return {};
    const std::string& variable = facts_.at("var");
    const auto casts = [&](std::string_view text) {
        if (base_variable(variable).empty() || text.find(variable) == std::string_view::npos) return false;
        for (const std::string_view cast :
             {"(long)", "(unsigned long)", "(int)", "(char)", "(unsigned int)", "(unsigned)", "(__u64)",
              "(__u32)", "(__u16)", "(__u8)", "(u64)", "(u32)", "(u16)", "(u8)", "(__s64)", "(__s32)",
              "(short)", "(size_t)", "(uintptr_t)"})
            if (text.find(cast) != std::string_view::npos) return true;
        return false;
    };
    if (casts(out_.at.text)) return {};
    SourceLine found;
    for (const SourceLine& line : context_.lines->function_around(out_.at))
        if (line.line > out_.at.line && casts(line.text)) {
            if (found.line) return {};  // which one, it cannot be told
            found = line;
        }
    return found;
}

// Of a complaint about a name that the object does not define: the line that uses it.
SourceLine Explainer::line_of_symbol() const {
    const auto symbol = facts_.find("function");
    // A map is at fault where it is declared, not where a program begins.
    if (has(facts_, "map") && out_.kind == "invalid_map")
        return context_.lines->only_line_with(fmt::format(" {} SEC(\".maps\")", facts_.at("map")))
            .value_or(SourceLine{});
    if (has(facts_, "tail_caller")) {
        for (const SourceLine& line : context_.lines->all_of(facts_.at("tail_caller")))
            if (line.text.find("tail_call") != std::string::npos) return line;
        return context_.lines->begin_of(facts_.at("tail_caller")).value_or(SourceLine{});
    }
    if (symbol == facts_.end()) return context_.lines->begin_of(out_.program).value_or(SourceLine{});
    auto line = context_.lines->using_symbol(symbol->second);
    if (!line) return context_.lines->begin_of(out_.program).value_or(SourceLine{});
    if (const std::size_t at = line->text.find(symbol->second); at != std::string::npos)
        line->column = static_cast<std::uint32_t>(at) + 1;
    return *line;
}

namespace {

// "before: CODE", "instead FACT: CODE": where the line goes stands in front of it; FACT names the line.
struct Placed {
    Rejection::CodePlace place = Rejection::CodePlace::unknown;
    std::string_view line;  // the fact; empty: the line at fault
    std::string_view code;
};

Placed read_place(std::string_view text) {
    using Place = Rejection::CodePlace;
    for (const auto& [word, place] : {std::pair<std::string_view, Place>("before", Place::before),
                                      {"after", Place::after},
                                      {"instead", Place::instead}}) {
        const std::size_t colon = text.find(": ");
        if (!text.starts_with(word) || colon == std::string_view::npos) continue;
        const std::string_view between = trim(text.substr(word.size(), colon - word.size()));
        if (between.empty() || is_identifier(between)) return {place, between, text.substr(colon + 2)};
    }
    return {Place::unknown, {}, text};
}

}  // namespace

// The first of the texts whose names, and whose place, are known.
std::string Explainer::first_code(std::span<const std::string_view> texts) const {
    for (const std::string_view text : texts) {
        const Placed placed = read_place(text);
        if (!placed.line.empty() && !has(facts_, placed.line)) continue;
        if (auto filled = fill(text, facts_)) return *filled;
    }
    return {};
}

void Explainer::say(const Match& match) {
    out_.kind = match.rejection->id;
    out_.title = match.rejection->title;
    const auto choose = [&](auto part) {
        std::string text;
        if (match.pattern) text = fill_first(match.pattern->*part.first, facts_);
        return text.empty() ? fill_first(match.rejection->*part.second, facts_) : text;
    };
    out_.what = choose(std::pair(&RejectionPattern::what, &RejectionClass::what));
    if (out_.what.empty()) out_.what = out_.kernel_says;
    out_.remedy = choose(std::pair(&RejectionPattern::remedy, &RejectionClass::remedy));
    // A remedy of its own has a line of its own or none.
    const bool own_code = match.pattern && !match.pattern->code.empty();
    const bool own_remedy = match.pattern && !match.pattern->remedy.empty();
    if (own_code || !own_remedy)
        out_.code = first_code(own_code ? match.pattern->code : match.rejection->code);
    place_code();
    out_.reg = reg_;
    if (fault_ >= 0) {
        const LogEvent& fault = history_.event(fault_);
        out_.insn = fault.insn;
        out_.instruction = fault.text;
        out_.at = history_.line_of(fault);
    } else if (place_) {
        out_.insn = place_;
        out_.at = line_of_place(*place_);
    } else if (context_.lines && (!out_.program.empty() || out_.kind == "invalid_map")) {
        // A program that the kernel did not look at has no line at fault.
        if (out_.kind != "unsupported_program_type") out_.at = line_of_symbol();
    } else if (context_.lines && has(facts_, "function") && out_.kind == "unknown_kernel_function") {
        if (auto line = context_.lines->using_symbol(facts_["function"])) out_.at = *line;
    }
    if (return_at_) out_.at = *return_at_;
    if (const SourceLine cast = line_of_cast(); cast.line) out_.at = cast;
    out_.expression = expression_at(out_.at.text, out_.at.column);
    out_.because = std::move(path_.steps);
    finish_place();
}

void Explainer::place_code() {
    const Placed placed = read_place(out_.code);
    out_.code_place = placed.place;
    if (!placed.line.empty()) out_.code_line = static_cast<std::uint32_t>(number_in(facts_, placed.line));
    out_.code = std::string(placed.code);
}

void Explainer::finish_place() {
    using Place = Rejection::CodePlace;
    if (out_.code_place == Place::unknown) return;
    if (out_.code_line == 0) out_.code_line = out_.at.line;
    if (out_.code_line == 0) {
        out_.code_place = Place::unknown;
        return;
    }
    if (out_.code_place != Place::before || !context_.lines || out_.code_line != out_.at.line) return;
    // In front of the body of an if without braces it would become that body.
    auto lines = context_.lines->function_around(out_.at);
    if (lines.empty()) lines = context_.lines->all_of(out_.program);
    if (!is_body_without_braces(lines, out_.at)) return;
    if (out_.at.text.ends_with(";")) {
        out_.code = fmt::format("{{ {} {} }}", out_.code, out_.at.text);
        out_.code_place = Place::instead;
    } else {
        out_.code_place = Place::unknown;
        out_.code_line = 0;
    }
}

}  // namespace waggle::kernel
