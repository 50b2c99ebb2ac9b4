// SPDX-License-Identifier: Apache-2.0
#include "verifier/history.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "verifier/expression.h"
#include "verifier/figures.h"

namespace waggle::kernel {
namespace {

using Kind = Instruction::Kind;

constexpr std::size_t most_steps = 16;
constexpr std::size_t most_branches = 4;
constexpr std::size_t most_calls = 64;
constexpr int farthest = 200'000;  // events looked at on the way back

bool is_argument(std::string_view name) {
    return name.size() == 2 && name[0] == 'R' && name[1] >= '1' && name[1] <= '5';
}

std::string_view find_state(const std::vector<NamedState>& states, std::string_view name) {
    for (const NamedState& each : states)
        if (each.name == name) return each.value;
    return {};
}

// What bpf_dynptr_slice() gives of a packet lies in it; other memory is held by a reference.
bool is_slice(const Held& held) {
    return (held.kind == "rdonly_mem" || held.kind == "mem") && !held.part("ref_obj_id");
}

}  // namespace

// The first instruction of the function that the event lies in.
std::uint32_t History::function_begin(const LogEvent& at) const {
    std::uint32_t begin = at.insn;
    int steps = 0;
    for (int i = at.previous; i >= 0 && steps < farthest; i = event(i).previous, ++steps) {
        if (event(i).frame < at.frame) break;
        if (event(i).frame == at.frame) begin = event(i).insn;
    }
    return begin;
}

SourceLine History::line_of(const LogEvent& event) const {
    const std::string_view program = context_.program.empty() ? log_.program : context_.program;
    if (context_.lines) {
        if (auto found = context_.lines->of(program, event.insn)) return *found;
        const std::uint32_t begin = function_begin(event);
        if (!event.source.empty() && event.insn >= begin)
            if (auto found =
                    context_.lines->inside_function(event.insn - begin, event.source, event.source_line))
                return *found;
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
    if (constexpr std::string_view ending = "_or_null"; kind.ends_with(ending)) {
        const std::string_view known =
            text_named(words_.registers, kind.substr(0, kind.size() - ending.size()));
        if (!known.empty())
            return fill(text_named(words_.registers, "or_null"), {{"held", std::string(known)}}).value_or("");
    }
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

int History::callback_end(int index) const {
    if (index < 0 || decode(event(index).text).kind != Kind::call) return -1;
    const int end = event(index).previous;
    if (end < 0 || event(end).frame != event(index).frame + 1) return -1;
    return decode(event(end).text).kind == Kind::exit ? end : -1;
}

// Whether the call gives back the object: by its reference where the log shows it.
bool History::gives_back_this(int call, const Held& held) const {
    const std::string_view function = decode(event(call).text).function;
    if (!gives_back(function)) return false;
    const auto wanted = held.part("ref_obj_id");
    if (!wanted) return true;
    const std::string_view given =
        held_before(call, function.find("kptr_xchg") == std::string_view::npos ? "R1" : "R2");
    const Held argument = read_held(given);
    if (argument.kind != "fp" || !argument.number) {
        const auto id = argument.part("ref_obj_id");
        return !id || *id == *wanted;
    }
    const auto id = read_held(held_before(call, fmt::format("fp{}", *argument.number))).part("ref_id");
    return !id || *id == *wanted;
}

// What a list or tree owns is the program's until the lock is let go. `calls` as in name_what_voided().
void History::name_unlock(const Held& held, const std::vector<int>& calls, Path& path) const {
    int given = -1, unlock = -1;
    for (const int call : calls) {
        const std::string_view function = decode(event(call).text).function;
        if (function == "bpf_spin_unlock" || function == "bpf_res_spin_unlock") unlock = call;
        if (!goes_into_collection(function)) continue;
        const auto id = read_held(held_before(call, "R2")).part("ref_obj_id");
        if (!id || id != held.part("ref_obj_id")) continue;
        given = call;
        break;
    }
    if (unlock < 0 || (given < 0 && !held.part("non_own_ref"))) return;
    path.unlock_event = unlock;
    path.given_event = given;
    path.steps.push_back(step(unlock, "let_go", {}));
    if (given >= 0) path.steps.push_back(step(given, "given", {}));
}

// `calls` lie between the last state that shows the object and the first that shows a number, the last one
// first.
void History::name_what_voided(const Held& held, const std::vector<int>& calls, Path& path) const {
    if (held.kind == "fp" || held.kind == "ctx" || held.kind == "map_ptr") return;
    name_unlock(held, calls, path);
    if (path.unlock_event >= 0) return;
    for (const int call : calls) {
        const LogEvent& at = event(call);
        const std::string_view function = at.called.empty() ? decode(at.text).function : at.called;
        const bool slice = is_slice(held);
        const bool moved =
            (held.is_packet() && (moves_packet(function) || !at.called.empty() || calls.size() == 1)) ||
            (slice && moves_packet(function));
        if (!moved && (held.is_packet() || !gives_back_this(call, held))) continue;
        (moved ? path.lost_by : path.released_by) = function;
        path.lost_event = call;
        path.steps.push_back(
            step(call, moved ? "invalidated" : "released", {{"function", std::string(function)}}));
        return;
    }
}

// The verifier takes `name` for a number at event `index`, though the log last showed an object in it: a call
// in between took it away, or a branch left only null of it.
void History::find_what_voided(int index, std::string_view name, Path& path) const {
    if (!path.lost_by.empty() || !path.released_by.empty() || path.null_event >= 0 || path.unlock_event >= 0)
        return;
    const std::uint32_t frame = event(index).frame;
    std::vector<int> calls;
    int number_event = -1;
    bool null = false, done = false;
    const auto look = [&](std::string_view state, int shown_by) {
        if (state.empty() || done) return;
        const Held held = read_held(state);
        if (held.is_scalar()) {
            calls.clear();
            number_event = shown_by;
            null = held.number == 0;
            return;
        }
        done = true;
        if (held.can_be_null() && null && number_event >= 0 &&
            decode(event(number_event).text).kind == Kind::branch)
            path.null_event = number_event;
        else
            name_what_voided(held, calls, path);
        if (path.lost_event >= 0) path.lost_register = name;
    };
    int steps = 0;
    for (int i = index; i >= 0 && !done && steps < farthest; i = event(i).previous, ++steps) {
        const LogEvent& at = event(i);
        if (at.frame < frame) return;
        if (i != index) {
            const Instruction code = decode(at.text);
            if (at.after_frame == frame) look(find_state(at.after, name), i);
            if (at.frame == frame && code.dest == name) return;
            const bool calls_out = code.kind == Kind::call || code.kind == Kind::call_local;
            if (calls_out && at.frame == frame && is_argument(name)) return;  // it emptied the register
            if ((code.kind == Kind::call || !at.called.empty()) && calls.size() < most_calls)
                calls.push_back(i);
        }
        if (at.frame == frame) look(find_state(at.before, name), at.previous);
    }
}

// The compiler puts 0 for a pointer that a test just found null: that test, where event `index` comes of its
// line.
int History::branch_of_null(int index) const {
    const SourceLine line = line_of(event(index));
    int later = index, steps = 0;
    for (int i = event(index).previous; i >= 0 && steps < 16; later = i, i = event(i).previous, ++steps) {
        const LogEvent& at = event(i);
        const Instruction code = decode(at.text);
        if (at.frame != event(index).frame || code.kind != Kind::branch || code.operand != "0x0") continue;
        const bool null = code.operation == (taken(i, later) ? "==" : "!=");
        if (!null || !read_held(held_before(i, code.source)).can_be_null()) continue;
        return line.line != 0 && line_of(at).line == line.line ? i : -1;
    }
    return -1;
}

// "R1 > 5", and "w1 > 5" where only the lower half is compared.
std::string History::condition(const LogEvent& branch, const Instruction& code) const {
    const bool half = branch.text.starts_with("if w");
    return fmt::format("{}{} {} {}", half ? "w" : "R", code.source.substr(1), code.operation, code.operand);
}

// Whether the store writes a part of what lies in `slot` ("fp-16"), but not all of it.
bool History::overwrites(int index, const Instruction& code, std::string_view slot,
                         std::int64_t width) const {
    if (!slot.starts_with("fp-")) return false;
    const Held base = read_held(held_before(index, code.base));
    if (base.kind != "fp" || !base.number) return false;
    std::string_view text = slot.substr(2);
    const std::int64_t begin = take_number(text).value_or(0);
    const std::int64_t first = *base.number + code.offset, last = first + width_of(code.width);
    return first < begin + width && last > begin && !(first <= begin && last >= begin + width);
}

bool History::adds_pointer_to_number(int index, const Instruction& code) const {
    const std::string_view right = held_before(index, code.source);
    return code.operation == "+=" && read_held(held_before(index, code.dest)).is_scalar() && !right.empty() &&
           !read_held(right).is_scalar();
}

Step History::first_step(int later, std::string_view name, std::string_view held,
                         std::string_view text) const {
    return step(later, text, {{"reg", std::string(name)}, {"held", describe(held)}});
}

History::Path History::trace(int index, std::string name, bool void_now) const {
    Path path;
    if (index < 0 || name.empty()) return path;
    if (void_now) find_what_voided(index, name, path);
    std::uint32_t frame = event(index).frame;
    std::size_t branches = 0;
    int later = index;
    bool renamed = false;    // moved on by a line that gives it no name: an older name is no longer its own
    std::int64_t width = 8;  // of the stack slot that is followed
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
        if (at.frame + 1 == frame && code.kind == Kind::call && event(later).frame == frame) {
            if (const auto given = held_before(later, name); !given.empty())
                path.steps.push_back(first_step(later, name, given, "callback_entry"));
            return path;
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
        if (code.kind == Kind::call_local && !at.called.empty() && (name == "R0" || is_argument(name))) {
            // A global function is checked by itself: its result comes from nowhere, its arguments are gone.
            if (name == "R0") {
                path.steps.push_back(step(i, "call_global", {{"function", std::string(at.called)}}));
                path.origin_function = at.called;
                path.origin = i;
                const SourceLine line = line_of(at);
                if (path.variable.empty() && !renamed) {
                    path.variable = assigned_variable(line.text, line.column);
                    path.variable_event = i;
                }
            } else {
                path.clobbered_by = std::string(at.called) + "()";
            }
            break;
        }
        Facts facts{{"reg", name},
                    {"source", code.source},
                    {"operand", std::string(code.operand)},
                    {"operation", std::string(code.operation)},
                    {"function", std::string(code.function)},
                    {"held", describe(held_after(i, name))}};
        if (code.kind == Kind::branch && (code.source == name || code.base == name)) {
            if (branches++ >= most_branches) continue;
            const bool jumped = taken(i, later);
            facts["condition"] = condition(at, code);
            facts["held"] = describe(find_state(event(later).before, name).empty()
                                         ? held_after(i, name)
                                         : find_state(event(later).before, name));
            // A test of the lower half says nothing of the whole where the whole stays as it was.
            if (at.text.starts_with("if w") && facts["held"] == describe(held_before(i, name)))
                facts["held"].clear();
            const std::string_view text = jumped ? (facts["held"].empty() ? "taken" : "taken_held")
                                                 : (facts["held"].empty() ? "not_taken" : "not_taken_held");
            path.steps.push_back(step(i, text, facts));
            continue;
        }
        if (code.kind == Kind::store && overwrites(i, code, name, width)) {
            path.steps.push_back(step(i, "overwritten", {}));
            path.overwrite_event = path.origin = i;
            break;
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
        if (path.variable.empty() && !renamed) {
            const SourceLine line = line_of(at);
            path.variable = assigned_variable(line.text, line.column);
            path.variable_event = i;
            renamed = path.variable.empty() && code.kind == Kind::arithmetic && !code.source.empty();
        }
        switch (code.kind) {
            case Kind::copy:
                path.steps.push_back(step(i, code.source == name ? "cut" : "copy", facts));
                if (void_now) find_what_voided(i, code.source, path);
                name = code.source;
                continue;
            case Kind::arithmetic:
                path.steps.push_back(step(i, "arithmetic", facts));
                if (void_now) find_what_voided(i, name, path);
                if (!code.source.empty()) {
                    // "r5 += r1" makes a pointer of the number r5 where r1 is the pointer.
                    const bool number_left = !void_now && adds_pointer_to_number(i, code);
                    if (path.index_register.empty()) {
                        path.index_register = number_left ? code.dest : code.source;
                        path.index_event = i;
                    }
                    if (number_left) name = code.source;
                }
                continue;
            case Kind::load:
                if (const std::string slot = code.slot(); !slot.empty()) {
                    path.steps.push_back(step(i, "load_stack", facts));
                    name = slot;
                    width = width_of(code.width);
                    if (void_now) find_what_voided(i, name, path);
                    continue;
                }
                path.steps.push_back(step(i, "load", facts));
                break;
            case Kind::constant:
                path.steps.push_back(step(i, "constant", facts));
                if (void_now && code.operand == "0" && path.null_event < 0) {
                    path.null_event = branch_of_null(i);
                    if (path.null_event >= 0) {
                        name = decode(event(path.null_event).text).source;
                        continue;
                    }
                }
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
        const std::string_view first = held_before(later, name);
        if (!first.empty() && event(later).previous < 0)
            path.steps.push_back(first_step(later, name, first, "entry"));
    }
    return path;
}

}  // namespace waggle::kernel
