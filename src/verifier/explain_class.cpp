// SPDX-License-Identifier: Apache-2.0
// Which class a rejection is of, and the figures that follow from those of the complaint.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "verifier/advice.h"
#include "verifier/explainer.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/findings.h"
#include "verifier/remedy.h"
#include "verifier/way_out.h"

namespace waggle::kernel {

using Code = Instruction::Kind;

Match Explainer::classify() const {
    for (std::size_t i = 0; i < log_.complaints.size(); ++i) {
        const std::string_view line = trim(log_.complaints[i].substr(0, longest_line));
        // Only says where; the line behind it says what.
        if (line.ends_with(": <invalid CO-RE relocation>") && i + 1 < log_.complaints.size()) continue;
        for (const RejectionClass& rejection : words_.classes)
            for (const RejectionPattern& pattern : rejection.patterns) {
                auto found = match_pattern(pattern.pattern, line);
                if (!found) continue;
                Facts facts = facts_;
                for (const auto& [name, value] : *found) facts[name] = value;
                acquisition(facts);
                derive_for_class(facts);
                if (facts["type"].find("ptr_") != std::string::npos) facts["kernel_object"] = "yes";
                if (facts["access_kind"].find("read") != std::string::npos) facts["reads_stack"] = "yes";
                if (has(facts, "off") && has(facts, "size"))
                    facts["end"] = std::to_string(number_in(facts, "off") + number_in(facts, "size"));
                if (std::all_of(pattern.when.begin(), pattern.when.end(),
                                [&](std::string_view condition) { return holds(condition, facts); }))
                    return {&rejection, &pattern, std::move(*found)};
            }
    }
    return {&words_.classes.back(), nullptr, {}};
}

// Conditions on a complaint's own words.
void Explainer::derive_for_class(Facts& facts) const {
    if (const auto moment = facts.find("moment"); moment != facts.end())
        if (moment->second.find("callback") != std::string::npos) facts["in_callback"] = "yes";
    if (has(facts, "in_callback") && one_stops(caller_of_callback())) facts["one_stops"] = "yes";
    if (facts["type"] == "ctx") facts["context_access"] = "yes";
    if (facts["expected"].find("ptr_") != std::string::npos) facts["expects_object"] = "yes";
    if (const auto function = facts.find("function");
        function != facts.end() && in_c_library(function->second))
        facts["c_function"] = "yes";
    if (number_in(facts, "size") > 4) facts["wide_access"] = "yes";
    // data, data_end and data_meta of struct __sk_buff: socket filters have none of them.
    const std::int64_t off = number_in(facts, "off");
    const std::string_view section = context_.section;
    if ((section == "socket" || section.starts_with("socket/")) && (off == 76 || off == 80 || off == 140))
        facts["no_packet_access"] = "yes";
    if (has(facts, "from") &&
        std::find(context_.calls.begin(), context_.calls.end(),
                  static_cast<std::uint32_t>(number_in(facts, "from"))) != context_.calls.end())
        facts["from_call"] = "yes";
    if (has(facts, "given_key_size") && code_.function.starts_with("bpf_map_") && reg_ == "R2" &&
        facts["size"] == facts["given_key_size"])
        facts["key_of_map"] = "yes";
    if (facts.contains("at") && facts.contains("id") && number_in(facts, "range") == 0 && fault_ >= 0) {
        const Held held = read_held(history_.held_before(fault_, reg_));
        std::string_view at = held.part("off").value_or("0");
        const int test = inverted_packet_test(
            history_, fault_, reg_, take_number(at).value_or(0) + code_.offset + number_in(facts, "size"));
        if (test >= 0) facts["inverted_line"] = std::to_string(history_.line_of(history_.event(test)).line);
    }
}

// The helper that runs the callback at fault; empty where the log does not show it.
std::string_view Explainer::caller_of_callback() const {
    if (fault_ < 0) return {};
    const std::uint32_t frame = history_.event(fault_).frame;
    int at = fault_;
    while (at >= 0 && history_.event(at).frame >= frame) at = history_.event(at).previous;
    return at < 0 ? std::string_view{} : decode(history_.event(at).text).function;
}

// Which call took what is not given back: instruction `alloc`.
void Explainer::acquisition(Facts& facts) const {
    if (!facts.contains("alloc")) return;
    const int taken = history_.on_path(last_, static_cast<std::uint32_t>(number_in(facts, "alloc")));
    if (taken < 0) return;
    const std::string function(decode(history_.event(taken).text).function);
    facts["acquired_by"] = written_name(taken);
    if (decode(history_.event(last_).text).kind == Code::call)
        facts["left_by"] = decode(history_.event(last_).text).function;
    if (function.starts_with("bpf_iter_") && function.ends_with("_new")) {
        facts["acquires_iterator"] = "yes";
        facts["release"] = function.substr(0, function.size() - 3) + "destroy";
    } else if (function.ends_with("dynptr")) {
        facts["acquires_dynptr"] = "yes";
    }
    if (const auto release = text_named(words_.releases, function); !release.empty())
        facts["release"] = release;
    // What comes out of a list or tree is a node: the object around it is given back.
    if (function.starts_with("bpf_list_pop_") || function == "bpf_rbtree_remove") {
        facts["release"] = "bpf_obj_drop";
        facts["gives_node"] = "yes";
    }
    // What an exchange gave back is of the type that the map's field has.
    const Held given = read_held(history_.held_after(taken, "R0"));
    const std::size_t type = given.kind.rfind("ptr_or_null_");
    if (type != std::string_view::npos)
        if (const auto release = text_named(words_.releases, given.kind.substr(type + 12)); !release.empty())
            facts["release"] = release;
    // The type is told with a macro, or with the function behind it.
    if (facts["release"] == "bpf_obj_drop" &&
        history_.line_of(history_.event(taken)).text.find("_impl(") != std::string::npos)
        facts["release"] = "bpf_obj_drop_impl";
}

// Figures that follow from those of the complaint, and where the fault lies.
void Explainer::derive() {
    acquisition(facts_);
    derive_for_class(facts_);
    advise();
    if (has(facts_, "arg") && !has(facts_, "argument"))
        set("argument", std::to_string(number_in(facts_, "arg") + 1));
    if (has(facts_, "type")) set("map_type", map_type_name(number_in(facts_, "type")));
    // "struct task_struct___v" is the program's own name for a version of the kernel's.
    if (has(facts_, "type")) facts_["type"] = facts_["type"].substr(0, facts_["type"].find("___"));
    const std::int64_t off = number_in(facts_, "off"), size = number_in(facts_, "size");
    if (has(facts_, "off") && has(facts_, "size")) {
        set("end", std::to_string(off + size));
        set("reach", std::to_string(off + size));
        set("last", std::to_string(off + size - 1));
        if (has(facts_, "limit")) {
            const std::int64_t limit = number_in(facts_, "limit");
            set("over", std::to_string(off < 0 ? -off : off + size - limit));
            // What the index counts begins where the pointer stood before it was moved.
            const std::int64_t begin = first_element_;
            // A call's size is not that of an element.
            if (!global_ && code_.kind != Code::call && size > 0 && begin >= 0 && begin < limit &&
                (limit - begin) % size == 0)
                set("entries", std::to_string((limit - begin) / size));
        }
    }
    if (off < 0) set("depth", std::to_string(-off));
    if (has(facts_, "var_off")) derive_alignment(off);
    // Behind a variable header the packet's begin is no measure; the pointer itself is.
    if (number_in(facts_, "id") != 0 && facts_.contains("at") && has(facts_, "var")) {
        const std::string& variable = facts_["var"];
        set("pointer", is_identifier(variable) ? variable : "(" + variable + ")");
        set("end", std::to_string(code_.offset + size));
    }
    if (has(facts_, "jumps")) set("limit", std::to_string(number_in(facts_, "jumps") - 1));
    if (code_.function == "bpf_snprintf")
        if (const auto bytes = read_held(history_.held_before(fault_, "R5")).number)
            set("values", std::to_string(*bytes / 8));
    if (has(facts_, "number") && !facts_.contains("count"))
        set("count", std::to_string(number_in(facts_, "number") + 1));
    if (has(facts_, "range")) derive_return();
    if (has(facts_, "expected")) set("expected_words", expected_words(facts_["expected"]));
    if (has(facts_, "alloc")) derive_acquired();
    if (const int lock = history_.call_before(last_, "bpf_spin_lock"); lock >= 0) {
        const SourceLine line = history_.line_of(history_.event(lock));
        if (line.line) set("lock_line", std::to_string(line.line));
        set("lock", call_argument(line.text, "bpf_spin_lock", 1));
    }
    if (last_ >= 0 && !has(facts_, "ctx")) set("ctx", "ctx");
    for (const std::string_view line : log_.complaints)
        if (const auto at = match_pattern("{insn:d}: <invalid CO-RE relocation>", line)) {
            facts_["insn"] = at->at("insn");
            reg_.clear();
            facts_.erase("var");
        }
    // Found before any instruction was followed: the complaint names the place.
    for (const std::string_view name : {"insn", "from"}) {
        if (!has(facts_, name)) continue;
        const auto insn = static_cast<std::uint32_t>(number_in(facts_, name));
        place_ = insn;
        fault_ = history_.on_path(last_, insn);
        if (fault_ < 0) path_.steps.clear();
    }
    if (has(facts_, "insn") && place_) {
        const SourceLine line = line_of_place(*place_);
        if (line.line) set("loop_line", std::to_string(line.line));
        if (!has(facts_, "var")) set("var", base_variable(expression_at(line.text, line.column)));
    }
}

void Explainer::derive_alignment(std::int64_t off) {
    // "(0x0; 0x0)+-8+1": the register's own part, its fixed offset, the instruction's.
    const auto own = read_range(facts_["var_off"]);
    const std::int64_t fixed = own && own->first == own->second ? own->first : 0;
    const std::int64_t place = fixed + number_in(facts_, "at") + number_in(facts_, "net") + off;
    set("place", std::to_string(place));
    set("region", has(facts_, "held") ? history_.describe(history_.held_before(fault_, reg_)) : "");
    if (has(facts_, "type") && facts_["type"] == "stack") set("region", text_named(words_.registers, "fp"));
    if (!has(facts_, "region")) set("region", text_named(words_.registers, "mem"));
}

void Explainer::derive_return() {
    const auto range = read_range(facts_["range"]);
    if (range) {
        set("allowed", std::to_string(range->first));
        facts_["range"] = range->first == range->second
                              ? std::to_string(range->first)
                              : label("from_to", {{"from", std::to_string(range->first)},
                                                  {"to", std::to_string(range->second)}});
    }
    // "value (0x2; 0x0)", "smin=2 smax=2", "unknown scalar value": said as what R0 holds.
    std::string_view value = facts_["value"];
    if (value.starts_with("value ")) value.remove_prefix(6);
    const auto got = read_range(value);
    std::string state = "scalar()";
    if (got && got->first == got->second) state = std::to_string(got->first);
    if (const auto bounds = match_pattern("smin={low:d} smax={high:d}", value))
        state = bounds->at("low") == bounds->at("high")
                    ? bounds->at("low")
                    : fmt::format("scalar(smin={},smax={})", bounds->at("low"), bounds->at("high"));
    facts_["held"] = history_.describe(state);
    // What is neither "go on" nor "stop" is meant to stop.
    const Held given = read_held(state);
    const bool stops = given.number ? *given.number != 0 : given.smallest().value_or(0) > 0;
    if (range && has(facts_, "one_stops") && stops) set("allowed", std::to_string(range->second));
    going_on();
    if (path_.origin < 0) return;
    // "w0 = -1" is the number 4294967295 to the verifier.
    const Instruction made = decode(history_.event(path_.origin).text);
    std::string_view operand = made.operand;
    if (const auto number = take_number(operand); made.kind == Code::constant && number && *number < 0) {
        facts_["held"] = history_.describe(std::to_string(*number));
        set("returned", std::to_string(*number));
    }
    if (made.kind == Code::constant) find_return(std::string(made.operand));
}

// "return skb->len;": in its place what programs of this type return to go on.
void Explainer::going_on() {
    if (fault_ < 0) return;
    // Of a callback, where one number only is right.
    const bool callback =
        has(facts_, "in_callback") && has(facts_, "allowed") &&
        (facts_["range"] == facts_["allowed"] || (has(facts_, "one_stops") && facts_["allowed"] != "0"));
    const std::uint32_t frame = history_.event(fault_).frame;
    if (!callback && (frame != 0 || !has(facts_, "verdict"))) return;
    const auto returns = [](const SourceLine& line) {
        return line.line != 0 && line.text.starts_with("return ") &&
               line.text.find(';') + 1 == line.text.size();
    };
    SourceLine line = history_.line_of(history_.event(fault_));
    // Several returns are one to the compiler: the one that made the value is meant.
    if (callback && !returns(line) && !path_.steps.empty()) {
        line = path_.steps.front().at;
        if (returns(line)) return_at_ = line;
    }
    if (!returns(line) && path_.origin >= 0 && history_.event(path_.origin).frame == frame) {
        line = history_.line_of(history_.event(path_.origin));
        if (returns(line)) return_at_ = line;
    }
    if (!returns(line)) return;
    set("return_line", fmt::format("return {};", facts_[callback ? "allowed" : "verdict"]));
    set("return_line_at", std::to_string(line.line));
}

// The compiler joins all returns into one; the statement that names the value is the one that is meant.
void Explainer::find_return(const std::string& value) {
    if (!context_.lines) return;
    std::string_view text = value;
    const auto number = take_number(text);
    if (!number) return;
    const std::string statement = fmt::format("return {};", *number);
    const SourceLine end = fault_ >= 0 ? history_.line_of(history_.event(fault_)) : SourceLine{};
    auto lines = context_.lines->function_around(end);
    if (lines.empty()) lines = context_.lines->all_of(out_.program);
    for (const SourceLine& line : lines) {
        if (line.text.find(statement) == std::string::npos) continue;
        if (return_at_ && return_at_->line != line.line)
            return_at_.reset();
        else
            return_at_ = line;
    }
    if (!return_at_) return;
    std::string better = return_at_->text;
    better.replace(better.find(statement), statement.size(), fmt::format("return {};", facts_["allowed"]));
    set("return_line", better);
    set("return_line_at", std::to_string(return_at_->line));
}

// "fp, pkt, pkt_meta, map_value" in words; the same words once.
std::string Explainer::expected_words(std::string_view expected) const {
    std::vector<std::string> said;
    for (const std::string_view each : split(expected, ',')) {
        const std::string words = history_.describe(trim(each));
        if (!words.empty() && std::find(said.begin(), said.end(), words) == said.end()) said.push_back(words);
    }
    // Alone it stands for any memory.
    if (expected == "fp") return std::string(text_named(words_.registers, "any_memory"));
    std::string out;
    constexpr std::size_t most = 4;
    for (std::size_t i = 0; i < said.size() && i < most; ++i) out += (i ? "; " : "") + said[i];
    if (said.size() > most) out += "; " + label("more", {{"count", std::to_string(said.size() - most)}});
    return out;
}

// The fault of what is not given back lies where it was taken; the path's end is the first step.
void Explainer::derive_acquired() {
    const int taken = history_.on_path(last_, static_cast<std::uint32_t>(number_in(facts_, "alloc")));
    if (taken < 0) return;
    const SourceLine line = history_.line_of(history_.event(taken));
    if (line.line) set("origin_line", std::to_string(line.line));
    const std::string_view variable = assigned_variable(line.text);
    facts_.erase("var");
    facts_.erase("pointee");
    if (!has(facts_, "gives_node")) set("var", variable);
    const std::string function = facts_["acquired_by"];
    for (int number = 1; number <= 5; ++number)
        if (const auto argument = call_argument(line.text, function, number);
            argument.starts_with("&") && (has(facts_, "acquires_iterator") ? number == 1 : number == 4))
            set("pointee", base_variable(argument));
    if (has(facts_, "release") && facts_["release"].starts_with("bpf_ringbuf") && !variable.empty())
        set("release_call", fmt::format("bpf_ringbuf_discard({}, 0);", variable));
    if (has(facts_, "release") && facts_["release"] == "bpf_obj_drop_impl" && !variable.empty())
        set("release_call", fmt::format("bpf_obj_drop_impl({}, 0);", variable));
    place_release(taken, release_statement());
    keep_result(line, function);
    follow_to_end(taken, function);
}

// "bpf_kptr_xchg(&v->task, task);": what the call gives is dropped in the same line.
void Explainer::keep_result(const SourceLine& line, std::string_view function) {
    if (has(facts_, "way_out") || has(facts_, "var") || has(facts_, "gives_node") ||
        has(facts_, "acquires_iterator") || has(facts_, "acquires_dynptr") || !has(facts_, "release") ||
        !context_.lines)
        return;
    const std::string_view text = line.text;
    if (!text.starts_with(function) || !text.ends_with(");")) return;
    const std::string_view name = has_word(text, "old") ? "old_value" : "old";
    set("way_out",
        fmt::format("{{ __auto_type {0} = {1} if ({0}) {2}({0}); }}", name, text, facts_["release"]));
    set("way_out_at", std::to_string(line.line));
}

// The statement that gives back what was taken, in the source's own names; empty where they are not known.
std::string Explainer::release_statement() const {
    const auto known = [&](std::string_view name) {
        const auto found = facts_.find(name);
        return found == facts_.end() ? std::string() : found->second;
    };
    if (has(facts_, "acquires_dynptr"))
        return has(facts_, "pointee") ? fmt::format("bpf_ringbuf_discard_dynptr(&{}, 0);", known("pointee"))
                                      : std::string();
    if (has(facts_, "acquires_iterator"))
        return has(facts_, "pointee") ? fmt::format("{}(&{});", known("release"), known("pointee"))
                                      : std::string();
    if (has(facts_, "release_call")) return known("release_call");
    return has(facts_, "release") && is_identifier(known("var"))
               ? fmt::format("{}({});", known("release"), known("var"))
               : std::string();
}

void Explainer::place_release(int taken, const std::string& release) {
    if (!context_.lines) return;
    const std::string variable = has(facts_, "pointee") ? facts_["pointee"] : facts_["var"];
    if (const auto placed = way_out_with(history_, *context_.lines, taken, last_, release, variable)) {
        set("way_out", placed->text);
        set("way_out_at", std::to_string(placed->line));
    }
}

// The way from where something was taken to where the path ends without giving it back, last step first.
void Explainer::follow_to_end(int taken, const std::string& function) {
    const SourceLine end = history_.line_of(history_.event(last_));
    // A macro's exit belongs to the line where the program begins.
    if (end.line >= history_.line_of(history_.event(taken)).line) set("end_line", std::to_string(end.line));
    path_.steps.clear();
    path_.steps.push_back(history_.step(last_, "end", {}));
    facts_.erase("branch_line");
    int branches = 0;
    for (int later = last_, i = history_.event(last_).previous; i >= 0 && i != taken && branches < 4;
         later = i, i = history_.event(i).previous) {
        const Instruction code = decode(history_.event(i).text);
        if (code.kind != Code::branch) continue;
        const bool jumped = history_.event(later).insn != history_.event(i).insn + 1;
        if (!has(facts_, "branch_line")) set_line("branch_line", i);
        path_.steps.push_back(history_.step(
            i, jumped ? "taken" : "not_taken",
            {{"condition", fmt::format("{} {} {}", code.source, code.operation, code.operand)}}));
        ++branches;
    }
    if (context_.lines) set_line("branch_line", branch_out(history_, *context_.lines, taken, last_));
    path_.steps.push_back(history_.step(taken, "acquired", {{"function", function}}));
    reg_.clear();
    fault_ = taken;
}

}  // namespace waggle::kernel
