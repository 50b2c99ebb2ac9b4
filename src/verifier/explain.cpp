// SPDX-License-Identifier: Apache-2.0
// A rejection put together: what the log says before the complaint itself is read.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "verifier/advice.h"
#include "verifier/explainer.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/findings.h"
#include "verifier/remedy.h"
#include "verifier/repairs.h"

namespace waggle::kernel {

using Code = Instruction::Kind;

Rejection Explainer::explain() {
    out_.program = context_.program.empty() ? log_.program : context_.program;
    for (const std::string_view line : log_.complaints)
        out_.kernel_says += (out_.kernel_says.empty() ? "" : "; ") + std::string(line);
    last_ = static_cast<int>(log_.events.size()) - 1;
    // A complaint of the helper that runs a callback, when that callback comes back: the callback left it
    // so.
    if (const int end = history_.callback_end(last_); end >= 0 && complains_of("while holding a lock")) {
        last_ = end;
        set("callback_returns", "yes");
    }
    fault_ = last_;
    find_register();
    gather();
    Match match = classify();
    facts_.insert(match.facts.begin(), match.facts.end());
    for (const auto& [name, value] : match.facts) facts_[name] = value;
    if (match.rejection->id == "too_many_instructions" && last_ < 0) place_ = context_.loop;
    derive();
    if (match.rejection->id == "leaked_lock" && code_.kind == Code::exit) {
        // What is still held is what was taken last.
        int taken = -1;
        std::string function;
        for (const std::string_view lock :
             {"bpf_spin_lock", "bpf_rcu_read_lock", "bpf_preempt_disable", "bpf_local_irq_save"})
            if (const int found = history_.call_before(last_, lock); found > taken) {
                taken = found;
                function = lock;
            }
        if (taken >= 0) {
            const SourceLine line = history_.line_of(history_.event(taken));
            const std::string_view given = call_argument(line.text, function, 1);
            facts_.erase("var");
            facts_.erase("pointee");
            if (function == "bpf_spin_lock" && !given.empty() && is_identifier(base_variable(given)))
                place_release(taken, fmt::format("bpf_spin_unlock({});", given));
            else if (function == "bpf_rcu_read_lock")
                place_release(taken, "bpf_rcu_read_unlock();");
            else if (function == "bpf_preempt_disable")
                place_release(taken, "bpf_preempt_enable();");
            else if (function == "bpf_local_irq_save" && !given.empty())
                place_release(taken, fmt::format("bpf_local_irq_restore({});", given));
            follow_to_end(taken, function);
            set_line("taken_line", taken);
        }
    }
    say(match);
    return std::move(out_);
}

bool Explainer::complains_of(std::string_view words) const {
    return std::any_of(log_.complaints.begin(), log_.complaints.end(),
                       [&](std::string_view line) { return line.find(words) != std::string_view::npos; });
}

// What the log's structure gives, before the complaint itself is read.
void Explainer::gather() {
    set("section", context_.section);
    constexpr std::int32_t helper_tail_call = 12;
    if (context_.lines && complains_of("only allowed in functions that return"))
        set("tail_caller", context_.lines->caller_without_int(helper_tail_call));
    // What the program gives back is no measure for the functions it calls.
    const bool inner = fault_ >= 0 && history_.event(fault_).frame > 0;
    set("verdict", inner ? "0" : verdict_of(context_.section));
    plain_verdict();
    set("kernel_says", out_.kernel_says);
    if (reg_.size() > 1) set("reg", std::string_view(reg_).substr(1));
    gather_section();
    if (const std::size_t at = context_.loader.find("Error loading .BTF into kernel: ");
        at != std::string_view::npos) {
        std::string_view error = context_.loader.substr(at + 32);
        if (const auto number = take_number(error)) set("types_error", std::to_string(*number));
    }
    // "Error in bpf_create_map_xattr(m):Operation not supported(-95). Retrying without BTF."
    if (const std::size_t again = context_.loader.find("). Retrying without BTF");
        again != std::string_view::npos)
        if (const std::size_t at = context_.loader.rfind("(-", again); at != std::string_view::npos) {
            std::string_view error = context_.loader.substr(at + 1);
            if (const auto number = take_number(error)) set("map_error", std::to_string(*number));
        }
    count_loop(most_rounds);
    if (context_.loop) set("loop_in_program", "yes");
    if (fault_ < 0) return;
    set("instruction", history_.event(fault_).text);
    set("access", label(access(), {}));
    if (code_.kind == Code::arithmetic && code_.operation != "+=" && code_.operation != "-=")
        set("other_operation", code_.operation);
    if (calls_itself(history_, fault_)) set("recursive", "yes");
    set("ctx", context_name(history_, last_));
    if (code_.kind == Code::store) set("writes", "yes");
    if (code_.kind == Code::call) set("helper", written_name(fault_));
    set("helper_way", text_named(words_.helper_ways, code_.function));
    if (code_.function == "bpf_copy_from_user" && !has(facts_, "sleepable_section")) {
        const SourceLine line = history_.line_of(history_.event(fault_));
        set("reader", label("reader", {}));
        const std::string reads = replace_all(line.text, code_.function, "bpf_probe_read_user");
        if (reads != line.text && line.line != 0) {
            set("reader_line", reads);
            set("reader_line_at", std::to_string(line.line));
        }
        set("reader_code",
            fmt::format("bpf_probe_read_user({}, {}, {});", call_argument(line.text, code_.function, 1),
                        call_argument(line.text, code_.function, 2),
                        call_argument(line.text, code_.function, 3)));
    }
    if (code_.function.find("dynptr") != std::string_view::npos) set("helper_kind", "dynptr");
    if (!reg_.empty()) {
        const bool void_now = read_held(history_.held_before(fault_, reg_)).is_scalar() ||
                              complains_of("invalid mem access 'scalar'") ||
                              complains_of("invalid mem access 'inv'") ||
                              complains_of("invalid mem access '?'") || complains_of("!read_ok") ||
                              complains_of("type=scalar expected") || complains_of("type=inv expected");
        path_ = history_.trace(fault_, reg_, void_now);
    }
    set("lost_by", path_.lost_by);
    set("released_by", path_.released_by);
    set("clobbered_by", path_.clobbered_by);
    if (path_.lost_event >= 0) {
        const std::uint32_t line = history_.line_of(history_.event(path_.lost_event)).line;
        if (line) set(path_.lost_by.empty() ? "released_line" : "lost_line", std::to_string(line));
    }
    set_line("null_line", path_.null_event);
    set_line("unlock_line", path_.unlock_event);
    set_line("given_line", path_.given_event);
    if (path_.given_event >= 0) set("given_by", written_name(path_.given_event));
    set_line("overwritten_line", path_.overwrite_event);
    if (path_.null_event >= 0) set("known_null", "yes");
    if (path_.origin_function.starts_with("bpf_iter_") && path_.origin_function.ends_with("_next") &&
        read_held(history_.held_before(fault_, reg_)).number == 0)
        set("iterator_end", "yes");
    if (gives_back(code_.function)) set("gives_back", "yes");
    const std::string_view held = history_.held_before(fault_, reg_);
    if (!held.empty()) describe_held(held);
    name_register();
    follow_index();
    bound_rounds();
    gather_arguments();
    gather_protection();
    gather_source_kind();
    advise();
}

void Explainer::advise() {
    if (fault_ < 0) return;
    Situation situation{history_, context_, code_, path_, out_.program, reg_};
    situation.fault = fault_;
    situation.moved = moved_;
    situation.moved_by = moved_by_;
    situation.first_element = first_element_;
    situation.global = global_;
    add_advice(situation, facts_);
    add_repairs(situation, facts_);
}

// Whose memory a number that is used as a pointer points to, where the hook tells it.
void Explainer::gather_source_kind() {
    if (path_.origin < 0) return;
    const Instruction origin = decode(history_.event(path_.origin).text);
    const std::string_view section = context_.section;
    const bool from_context =
        origin.kind == Code::load && read_held(history_.held_before(path_.origin, origin.base)).kind == "ctx";
    const bool process = section.starts_with("tp/syscalls/sys_enter_") ||
                         section.starts_with("tracepoint/syscalls/sys_enter_") ||
                         section.starts_with("uprobe") || section.starts_with("uretprobe") ||
                         section.starts_with("usdt") || section.starts_with("ksyscall");
    // The registers of a system call hold what the process gave it.
    const bool of_system_call = section.ends_with("/sys_enter") || section.ends_with("/sys_exit");
    const bool from_registers =
        origin.kind == Code::load &&
        read_held(history_.held_before(path_.origin, origin.base)).kind.ends_with("ptr_pt_regs");
    if ((from_context && process) || (from_registers && of_system_call)) set("user_pointer", "yes");
    if (from_context) set("from_context", "yes");
}

// TC_ACT_OK is a macro that not every program includes; a source that names none of its kin gets the
// number.
void Explainer::plain_verdict() {
    if (facts_["verdict"] != "TC_ACT_OK" || !context_.lines || fault_ < 0) return;
    auto lines = context_.lines->function_around(history_.line_of(history_.event(fault_)));
    if (lines.empty()) lines = context_.lines->all_of(out_.program);
    const bool named = std::any_of(lines.begin(), lines.end(), [](const SourceLine& line) {
        return line.text.find("TC_ACT_") != std::string::npos;
    });
    if (!named) facts_["verdict"] = "0";
}

// The branches from behind the line to the end of its function, as the source writes them.
int Explainer::branches_behind(const SourceLine& line) const {
    int branches = 0;
    for (const SourceLine& each : context_.lines->function_around(line)) {
        if (each.line <= line.line) continue;
        for (const std::string_view word :
             {"for (", "while (", "if (", "switch (", "&&", "||", " ? ", "goto "})
            if (each.text.find(word) != std::string::npos) ++branches;
    }
    return branches;
}

// "for (int i = 0; i < n; i++)" with a limit for i, where the body is short and goes one way; else empty.
std::string Explainer::limited_for(const SourceLine& line) const {
    constexpr std::uint32_t most_instructions = 400;  // of a round: 1,024 rounds stay far below a million
    if (!context_.loop_end || *context_.loop_end - *context_.loop > most_instructions) return {};
    const std::string_view text = line.text;
    const std::size_t first = text.find(';'), second = text.find(';', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) return {};
    const std::string_view test = trim(text.substr(first + 1, second - first - 1));
    const std::size_t less = test.find(" < ");
    if (less == std::string_view::npos) return {};
    const std::string_view counter = test.substr(0, less), limit = test.substr(less + 3);
    const bool counts = text.find(fmt::format("{}++", counter), second) != std::string_view::npos ||
                        text.find(fmt::format("++{}", counter), second) != std::string_view::npos;
    const bool starts = text.substr(0, first).ends_with(fmt::format("{} = 0", counter));
    // A variable, no constant: constants are as the program means them.
    const bool varies = is_identifier(limit) &&
                        std::any_of(limit.begin(), limit.end(), [](char c) { return c >= 'a' && c <= 'z'; });
    if (!is_identifier(counter) || !counts || !starts || !varies) return {};
    if (branches_behind(line) > 0) return {};
    std::string out(text);
    out.insert(second, fmt::format(" && {} < 1024", counter));
    return out;
}

// "while (x) {" with a limit: "for (int i = 0; i < 64 && (x); i++) {".
void Explainer::count_loop(std::int64_t rounds) {
    if (!context_.loop || !context_.lines) return;
    const SourceLine line = line_of_loop();
    std::string_view text = line.text;
    std::string condition;
    if (text.starts_with("for (;;)") || text.starts_with("while (1)") || text.starts_with("while (true)")) {
        text.remove_prefix(text.find(')') + 1);
    } else if (text.starts_with("while (")) {
        std::size_t close = 6;
        for (int depth = 0; close < text.size(); ++close) {
            if (text[close] == '(') ++depth;
            if (text[close] == ')' && --depth == 0) break;
        }
        if (close >= text.size()) return;
        condition = fmt::format(" && ({})", text.substr(7, close - 7));
        text.remove_prefix(close + 1);
    } else if (text.starts_with("for (")) {
        if (const std::string limited = limited_for(line); !limited.empty()) {
            set("counted_line", limited);
            set("counted_line_at", std::to_string(line.line));
        }
        return;
    } else {
        return;
    }
    set("counted_line", fmt::format("for (int round = 0; round < {}{}; round++){}", rounds, condition, text));
    set("counted_line_at", std::to_string(line.line));
}

// A packet pointer that each round moves further: how often it can, before it is too far for a test to count.
void Explainer::bound_rounds() {
    if (!has(facts_, "held_packet") || moved_ < 0 || !context_.loop || !context_.loop_end) return;
    const std::uint32_t insn = history_.event(fault_).insn;
    if (insn < *context_.loop || insn > *context_.loop_end || history_.event(fault_).frame != 0) return;
    set("packet_reach", std::to_string(number_in(facts_, "highest") + first_element_));
    const auto step = read_held(history_.held_before(moved_, moved_by_)).largest();
    constexpr std::int64_t reach = 60'000;  // below 65,535, with room for what stands in front
    // Each branch of a round doubles what the verifier looks at, for as long as the pointers differ.
    constexpr int few_branches = 4;
    constexpr std::int64_t few_rounds = 16;
    const std::int64_t most = branches_behind(line_of_loop()) > few_branches ? few_rounds : most_rounds;
    if (step && *step > 0 && *step <= reach) count_loop(std::min(most, reach / *step));
}

void Explainer::gather_section() {
    set("sleepable_section", sleepable_section(context_.section));
    const std::size_t slash = context_.section.find('/');
    const std::string_view kind = context_.section.substr(0, slash);
    if (kind.ends_with(".s")) set("marked_sleepable", "yes");
    if (slash == std::string_view::npos) return;
    constexpr std::string_view types = "bpftool btf dump file /sys/kernel/btf/vmlinux";
    if (kind == "tp_btf")
        set("lookup", fmt::format("{} | grep -o 'btf_trace_[a-z0-9_]*'", types));
    else if (kind.starts_with("lsm"))
        set("lookup", fmt::format("{} | grep -o 'bpf_lsm_[a-z0-9_]*'", types));
    else if (kind.starts_with("iter"))
        set("lookup", fmt::format("{} | grep -o 'bpf_iter_[a-z0-9_]*'", types));
    else
        set("lookup", fmt::format("{} | grep FUNC", types));
}

// "bpf_obj_drop" of a call of bpf_obj_drop_impl(), where the source writes the macro.
std::string Explainer::written_name(int call) const {
    constexpr std::string_view ending = "_impl";
    const std::string_view function = decode(history_.event(call).text).function;
    const std::string_view macro =
        function.substr(0, function.size() - std::min(ending.size(), function.size()));
    const std::string text = history_.line_of(history_.event(call)).text;
    const bool written =
        function.ends_with(ending) && text.find(fmt::format("{}(", macro)) != std::string::npos;
    return std::string(written ? macro : function);
}

void Explainer::set_line(std::string_view name, int event) {
    if (event < 0) return;
    const std::uint32_t line = history_.line_of(history_.event(event)).line;
    if (line) set(name, std::to_string(line));
}

std::string_view Explainer::access() const {
    if (code_.kind == Code::store) return "writes";
    if (code_.kind != Code::call) return "reads";
    return access_of(code_.function, reg_.size() == 2 ? reg_[1] - '0' : 0);
}

// What the call gets: its map, and whether the packet stands where the context belongs.
void Explainer::gather_arguments() {
    if (code_.kind == Code::call_local && !reg_.empty()) set("argument", std::string_view(reg_).substr(1));
    if (code_.kind != Code::call) {
        set("helper", called_function());
        return;
    }
    const SourceLine line = history_.line_of(history_.event(fault_));
    for (const int number : {1, 2}) {
        const Held held = read_held(history_.held_before(fault_, fmt::format("R{}", number)));
        if (held.kind != "map_ptr") continue;
        const std::string_view argument = call_argument(line.text, code_.function, number);
        if (argument.starts_with("&")) set("given_map", base_variable(argument));
        if (const auto map = held.part("map")) set("given_map", *map);
        if (const auto keys = held.part("ks")) set("given_key_size", *keys);
        if (const auto values = held.part("vs")) set("given_value_size", *values);
    }
    if (takes_context(code_.function) && read_held(history_.held_before(fault_, "R1")).is_packet())
        set("packet_for_context", "yes");
}

// Whether RCU protects what a pointer to a kernel object points to.
void Explainer::gather_protection() {
    if (code_.kind == Code::call && reg_.size() == 2 && reg_[1] >= '1' && reg_[1] < '5') {
        const Held size = read_held(history_.held_before(fault_, fmt::format("R{}", reg_[1] - '0' + 1)));
        if (size.is_scalar() && !size.number) set("varying_size", "yes");
    }
    if (context_.section.starts_with("cgroup/getsockopt") ||
        context_.section.starts_with("cgroup/setsockopt"))
        set("option_memory", "yes");
    set("loader_helper", loader_of(context_.section));
    if (has_plain_context(context_.section)) set("plain_context", "yes");
    const int lock = history_.call_before(fault_, "bpf_rcu_read_lock");
    const int unlock = history_.call_before(fault_, "bpf_rcu_read_unlock");
    if (unlock > lock && unlock > path_.origin && path_.origin >= 0) set_line("unprotected_line", unlock);
    const bool sleeps =
        context_.section.find(".s") != std::string_view::npos || context_.section == "syscall";
    if (sleeps && lock < 0 && path_.origin >= 0) set("needs_rcu", "yes");
}

}  // namespace waggle::kernel

namespace waggle {

Rejection explain_rejection(std::string_view log, const RejectionContext& context) {
    return kernel::Explainer(log, context).explain();
}

std::vector<RejectionKind> rejection_kinds(std::string_view language) {
    std::vector<RejectionKind> out;
    for (const kernel::RejectionClass& each : kernel::verifier_words(language).classes)
        out.push_back({each.id, each.title});
    return out;
}

}  // namespace waggle
