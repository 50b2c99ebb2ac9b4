// SPDX-License-Identifier: Apache-2.0
#include "kernel/verifier_history.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "kernel/verifier_expression.h"

namespace waggle::kernel {
namespace {

using Kind = Instruction::Kind;

constexpr std::size_t most_steps = 16;
constexpr std::size_t most_branches = 4;
constexpr int farthest = 200'000;  // events looked at on the way back

bool is_argument(std::string_view name) {
    return name.size() == 2 && name[0] == 'R' && name[1] >= '1' && name[1] <= '5';
}

bool gives_back(std::string_view function) {
    constexpr std::array<std::string_view, 7> words = {"release", "submit",  "discard",  "drop",
                                                       "put",     "destroy", "kptr_xchg"};
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return function.find(word) != std::string_view::npos; });
}

std::string_view find_state(const std::vector<NamedState>& states, std::string_view name) {
    for (const NamedState& each : states)
        if (each.name == name) return each.value;
    return {};
}

}  // namespace

SourceLine History::line_of(const LogEvent& event) const {
    const std::string_view program = context_.program.empty() ? log_.program : context_.program;
    if (context_.lines) {
        if (auto found = context_.lines->of(program, event.insn)) return *found;
        if (!event.source.empty())
            if (auto found = context_.lines->with_text(event.source, event.source_line);
                found && (event.source_line == 0 || found->line == event.source_line))
                return *found;
    }
    return {std::string(event.source_file), event.source_line, 0, std::string(event.source)};
}

std::string_view History::held_after(int index, std::string_view name) const {
    return index < 0 ? std::string_view{} : find_state(event(index).after, name);
}

std::string_view History::held_before(int index, std::string_view name) const {
    if (index < 0) return {};
    const std::uint32_t frame = event(index).frame;
    int steps = 0;
    for (int i = index; i >= 0 && steps < farthest; ++steps) {
        const LogEvent& at = event(i);
        if (i != index && at.after_frame == frame)
            if (const auto found = find_state(at.after, name); !found.empty()) return found;
        if (at.frame == frame)
            if (const auto found = find_state(at.before, name); !found.empty()) return found;
        i = at.previous;
    }
    return {};
}

std::string History::describe(std::string_view text) const {
    if (text.empty()) return {};
    const Held held = read_held(text);
    Facts facts;
    if (held.is_scalar()) {
        const auto lowest = held.smallest(), highest = held.largest();
        if (held.number) facts["number"] = std::to_string(*held.number);
        if (lowest && highest && *lowest > -(std::int64_t{1} << 62) && *highest < (std::int64_t{1} << 62)) {
            facts["lowest"] = std::to_string(*lowest);
            facts["highest"] = std::to_string(*highest);
        }
        const std::string_view key = held.number                ? "number"
                                     : facts.contains("lowest") ? "number_between"
                                                                : "number_any";
        return fill(text_named(words_.registers, key), facts).value_or("");
    }
    std::string kind(held.kind);
    if (const std::string_view known = text_named(words_.registers, kind); !known.empty())
        return std::string(known);
    // "ptr_task_struct", "ptr_or_null_task_struct", "trusted_ptr_file", "rcu_ptr_or_null_x"
    const std::size_t pointer = kind.find("ptr_");
    if (pointer != std::string::npos) {
        std::string name = kind.substr(pointer + 4);
        const bool null = name.starts_with("or_null_");
        if (null) name = name.substr(8);
        facts["struct"] = name;
        if (is_identifier(name))
            return fill(text_named(words_.registers, null ? "struct_or_null" : "struct"), facts).value_or("");
    }
    facts["kind"] = kind;
    return fill(text_named(words_.registers, "unknown"), facts).value_or("");
}

Step History::step(int index, std::string_view text_name, const Facts& facts) const {
    const LogEvent& at = event(index);
    Step out{at.insn, std::string(at.text), {}, line_of(at)};
    auto said = fill(text_named(words_.steps, text_name), facts);
    if (!said) said = fill(text_named(words_.steps, std::string(text_name) + "_plain"), facts);
    out.says = said.value_or(std::string(at.text));
    return out;
}

int History::call_before(int index, std::string_view function) const {
    int steps = 0;
    for (int i = index < 0 ? -1 : event(index).previous; i >= 0 && steps < farthest;
         i = event(i).previous, ++steps) {
        const Instruction code = decode(event(i).text);
        if (code.kind == Kind::call && code.function.starts_with(function)) return i;
    }
    return -1;
}

int History::on_path(int index, std::uint32_t insn) const {
    int steps = 0;
    for (int i = index; i >= 0 && steps < farthest; i = event(i).previous, ++steps)
        if (event(i).insn == insn) return i;
    return -1;
}

// The verifier takes `name` for nothing at event `index`, though the log last showed an object in it: the
// call in between did that.
void History::find_what_voided(int index, std::string_view name, Path& path) const {
    const std::string_view last = held_before(index, name);
    if (last.empty() || !path.lost_by.empty() || !path.released_by.empty()) return;
    const Held held = read_held(last);
    if (held.is_scalar() || held.kind == "fp" || held.kind == "ctx") return;
    int steps = 0;
    for (int i = event(index).previous; i >= 0 && steps < farthest; i = event(i).previous, ++steps) {
        const Instruction code = decode(event(i).text);
        if (!find_state(event(i).after, name).empty() || code.dest == name) return;
        if (code.kind != Kind::call) continue;
        if (held.is_packet()) {
            path.lost_by = code.function;
        } else if (gives_back(code.function)) {
            path.released_by = code.function;
        } else {
            continue;
        }
        path.lost_event = i;
        path.steps.push_back(step(i, held.is_packet() ? "invalidated" : "released",
                                  {{"function", std::string(code.function)}}));
        return;
    }
}

History::Path History::trace(int index, std::string name, bool void_now) const {
    Path path;
    if (index < 0 || name.empty()) return path;
    if (void_now) find_what_voided(index, name, path);
    std::uint32_t frame = event(index).frame;
    std::size_t branches = 0;
    int later = index;
    for (int i = event(index).previous, seen = 0; i >= 0 && seen < farthest && path.steps.size() < most_steps;
         later = i, i = event(i).previous, ++seen) {
        const LogEvent& at = event(i);
        const Instruction code = decode(at.text);
        if (at.frame + 1 == frame && code.kind == Kind::call_local && event(later).frame == frame) {
            // Out of the function that was called: what it got came from its caller.
            frame = at.frame;
            if (!is_argument(name)) break;
            path.steps.push_back(step(i, "argument", {{"reg", name}}));
            continue;
        }
        if (at.frame == frame + 1 && code.kind == Kind::exit && event(later).frame == frame) {
            if (name == "R0") frame = at.frame;
            if (is_argument(name)) {
                path.clobbered_by = text_named(words_.steps, "own_function");
                break;
            }
            continue;
        }
        if (at.frame != frame) continue;
        Facts facts{{"reg", name},
                    {"source", code.source},
                    {"operand", std::string(code.operand)},
                    {"operation", std::string(code.operation)},
                    {"function", std::string(code.function)},
                    {"held", describe(held_after(i, name))}};
        if (code.kind == Kind::branch && (code.source == name || code.base == name)) {
            if (branches++ >= most_branches) continue;
            const bool taken = event(later).insn != at.insn + 1;
            facts["condition"] = fmt::format("{} {} {}", code.source, code.operation, code.operand);
            facts["held"] = describe(find_state(event(later).before, name).empty()
                                         ? held_after(i, name)
                                         : find_state(event(later).before, name));
            const std::string_view text = taken ? (facts["held"].empty() ? "taken" : "taken_held")
                                                : (facts["held"].empty() ? "not_taken" : "not_taken_held");
            path.steps.push_back(step(i, text, facts));
            continue;
        }
        if (code.kind == Kind::store && code.slot() == name) {
            path.steps.push_back(step(i, "store_stack", {{"reg", code.source.empty() ? name : code.source}}));
            if (code.source.empty()) {
                path.origin = i;
                break;
            }
            name = code.source;
            continue;
        }
        if (code.kind == Kind::call && is_argument(name)) {
            path.clobbered_by = std::string(code.function) + "()";
            break;
        }
        if (code.dest != name) continue;
        if (path.variable.empty()) {
            const SourceLine line = line_of(at);
            path.variable = assigned_variable(line.text, line.column);
        }
        switch (code.kind) {
            case Kind::copy:
                path.steps.push_back(step(i, "copy", facts));
                if (void_now) find_what_voided(i, code.source, path);
                name = code.source;
                continue;
            case Kind::arithmetic:
                path.steps.push_back(step(i, "arithmetic", facts));
                if (path.index_register.empty() && !code.source.empty()) {
                    path.index_register = code.source;
                    path.index_event = i;
                }
                continue;
            case Kind::load:
                if (const std::string slot = code.slot(); !slot.empty()) {
                    path.steps.push_back(step(i, "load_stack", facts));
                    name = slot;
                    continue;
                }
                path.steps.push_back(step(i, "load", facts));
                break;
            case Kind::constant:
                path.steps.push_back(step(i, "constant", facts));
                break;
            case Kind::call:
                path.steps.push_back(step(i, "call", facts));
                path.origin_function = code.function;
                break;
            case Kind::other:
            case Kind::store:
            case Kind::branch:
            case Kind::call_local:
            case Kind::exit:
                break;
        }
        path.origin = i;
        break;
    }
    if (path.origin < 0 && path.clobbered_by.empty() && path.steps.size() < most_steps) {
        const std::string_view first = held_before(index, name);
        if (!first.empty() && later >= 0 && event(later).previous < 0)
            path.steps.push_back(step(later, "entry", {{"reg", name}, {"held", describe(first)}}));
    }
    return path;
}

}  // namespace waggle::kernel
