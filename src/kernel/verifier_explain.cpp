// SPDX-License-Identifier: Apache-2.0
// A rejection put together: which class, which register, its way, and the words.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "kernel/verifier_expression.h"
#include "kernel/verifier_figures.h"
#include "kernel/verifier_findings.h"
#include "kernel/verifier_history.h"
#include "waggle/verifier.h"

namespace waggle {
namespace {

using namespace kernel;
using Code = Instruction::Kind;

constexpr std::size_t longest_line = 4096;  // of a complaint; further text is no verifier's

struct Match {
    const RejectionClass* rejection = nullptr;
    const RejectionPattern* pattern = nullptr;
    Facts facts;
};

class Explainer {
  public:
    Explainer(std::string_view log, const RejectionContext& context)
        : context_(context),
          words_(verifier_words(context.language)),
          log_(read_verifier_log(log)),
          history_(log_, context, words_) {}

    Rejection explain() {
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
            if (taken >= 0) follow_to_end(taken, function);
        }
        say(match);
        return std::move(out_);
    }

  private:
    const RejectionContext& context_;
    const VerifierWords& words_;
    VerifierLog log_;
    History history_;
    Rejection out_;
    Facts facts_;
    int last_ = -1, fault_ = -1;
    bool global_ = false;             // it points to a global variable
    std::int64_t first_element_ = 0;  // where in its object the register points, without what varies
    std::string reg_;
    Instruction code_;
    History::Path path_;

    std::string label(std::string_view name, const Facts& facts) const {
        return fill(text_named(words_.labels, name), facts).value_or("");
    }

    void set(std::string_view name, std::string_view value) {
        if (!value.empty()) facts_[std::string(name)] = value;
    }

    bool complains_of(std::string_view words) const {
        return std::any_of(log_.complaints.begin(), log_.complaints.end(),
                           [&](std::string_view line) { return line.find(words) != std::string_view::npos; });
    }

    // "R3" of "as arg #2", which some kernels count from 0 and some from 1: the one that points to the stack.
    std::string stack_argument(std::int64_t number) const {
        const auto is_stack = [&](std::int64_t which) {
            const Held held = read_held(history_.held_before(fault_, fmt::format("R{}", which)));
            return held.kind == "fp" || held.kind == "dynptr_ptr";
        };
        const bool same = is_stack(number), next = is_stack(number + 1);
        if (same == next) return {};
        return fmt::format("R{}", same ? number : number + 1);
    }

    // The register of an argument that the complaint names by number.
    std::string register_of_argument() const {
        for (const std::string_view line : log_.complaints) {
            const std::string_view text = line.substr(0, longest_line);
            if (auto stack = match_pattern("{rest} as arg #{arg:d}", text))
                return stack_argument(number_in(*stack, "arg"));
            // Of kernel functions counted from 0, of helpers from 1.
            if (auto helper = match_pattern("Possibly NULL pointer passed to helper arg{arg:d}", text))
                return "R" + (*helper)["arg"];
            for (const std::string_view pattern :
                 {"Possibly NULL pointer passed to trusted arg{arg:d}", "arg#{arg:d} {rest}",
                  "arg{arg:d} expected pointer to func"})
                if (auto named = match_pattern(pattern, text); named && code_.kind == Code::call)
                    return fmt::format("R{}", number_in(*named, "arg") + 1);
        }
        return {};
    }

    void find_register() {
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

    // What the log's structure gives, before the complaint itself is read.
    void gather() {
        set("section", context_.section);
        // What the program gives back is no measure for the functions it calls.
        const bool inner = fault_ >= 0 && history_.event(fault_).frame > 0;
        set("verdict", inner ? "0" : verdict_of(context_.section));
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
        if (fault_ < 0) return;
        set("instruction", history_.event(fault_).text);
        set("access", label(access(), {}));
        if (code_.kind == Code::arithmetic && code_.operation != "+=" && code_.operation != "-=")
            set("other_operation", code_.operation);
        if (calls_itself(history_, fault_)) set("recursive", "yes");
        set("ctx", context_name(history_, last_));
        if (code_.kind == Code::store) set("writes", "yes");
        set("helper", code_.function);
        if (code_.function == "bpf_copy_from_user" && !has(facts_, "sleepable_section")) {
            const SourceLine line = history_.line_of(history_.event(fault_));
            set("reader", label("reader", {}));
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
        set_line("overwritten_line", path_.overwrite_event);
        if (path_.null_event >= 0) set("known_null", "yes");
        if (gives_back(code_.function)) set("gives_back", "yes");
        const std::string_view held = history_.held_before(fault_, reg_);
        if (!held.empty()) describe_held(held);
        name_register();
        follow_index();
        gather_arguments();
        gather_protection();
    }

    void gather_section() {
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

    void set_line(std::string_view name, int event) {
        if (event < 0) return;
        const std::uint32_t line = history_.line_of(history_.event(event)).line;
        if (line) set(name, std::to_string(line));
    }

    std::string_view access() const {
        if (code_.kind == Code::store) return "writes";
        if (code_.kind != Code::call) return "reads";
        return access_of(code_.function, reg_.size() == 2 ? reg_[1] - '0' : 0);
    }

    // What the call gets: its map, and whether the packet stands where the context belongs.
    void gather_arguments() {
        if (code_.kind == Code::call_local && !reg_.empty())
            set("argument", std::string_view(reg_).substr(1));
        for (const std::string_view line : log_.complaints)
            if (const auto called =
                    match_pattern("Caller passes invalid args into func#{number:d} ('{function}')", line))
                set("helper", called->at("function"));
        if (code_.kind != Code::call) return;
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
    void gather_protection() {
        const int lock = history_.call_before(fault_, "bpf_rcu_read_lock");
        const int unlock = history_.call_before(fault_, "bpf_rcu_read_unlock");
        if (unlock > lock && unlock > path_.origin && path_.origin >= 0) set_line("unprotected_line", unlock);
        const bool sleeps =
            context_.section.find(".s") != std::string_view::npos || context_.section == "syscall";
        if (sleeps && lock < 0 && path_.origin >= 0) set("needs_rcu", "yes");
    }

    void describe_held(std::string_view text) {
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
        if (held.kind == "map_value") bound_to_variable(held, width);
    }

    // A section of globals is one value of a map; the variable in it ends earlier.
    void bound_to_variable(const Held& held, std::int64_t width) {
        if (path_.origin < 0 || decode(history_.event(path_.origin).text).kind != Code::constant) return;
        facts_.erase("entries");
        facts_.erase("limit_guess");
        global_ = true;
        const std::string_view map = held.part("map").value_or("");
        const std::size_t dot = map.find('.');
        if (dot == std::string_view::npos || !context_.lines || first_element_ < 0 || width <= 0) return;
        const auto end =
            context_.lines->variable_end(map.substr(dot), static_cast<std::uint64_t>(first_element_));
        if (end) set("entries", std::to_string((static_cast<std::int64_t>(*end) - first_element_) / width));
    }

    // The variable that an earlier statement put the register's value into. What the statement at fault
    // assigns is what it makes of the value.
    std::string_view assigned_elsewhere(const SourceLine& fault) const {
        if (path_.variable_event < 0) return path_.variable;
        const SourceLine line = history_.line_of(history_.event(path_.variable_event));
        const bool same = line.line == fault.line && line.file == fault.file &&
                          same_statement(fault.text, line.column, fault.column);
        return same ? std::string_view{} : std::string_view(path_.variable);
    }

    // Left of an assignment stands what is written, right of it what is read, where it reads through a
    // pointer.
    std::string_view used_in(std::string_view expression) const {
        const std::string_view right = expression.substr(std::min(expression.rfind('='), expression.size()));
        const bool reads_right = right.find_first_of("*[>") != std::string_view::npos;
        if (assigns(expression) && code_.kind != Code::store && reads_right)
            return indexed_variable(expression);
        return used_variable(expression);
    }

    // What the source calls the register's value.
    void name_register() {
        const SourceLine line = history_.line_of(history_.event(fault_));
        const std::string_view assigned = assigned_elsewhere(line);
        std::string_view variable;
        if (code_.kind == Code::call && reg_.size() == 2 && reg_[1] >= '1' && reg_[1] <= '5') {
            set("argument", reg_.substr(1));
            constexpr std::size_t longest_name = 40;
            const std::string_view argument =
                without_casts(call_argument(line.text, code_.function, reg_[1] - '0'));
            if (argument.starts_with("&"))
                set("pointee", base_variable(argument));
            else if (argument.size() <= longest_name)
                variable = argument;
            if (argument.empty()) variable = assigned;
        } else {
            // What it was assigned to says more than the expression, which can go through another pointer.
            variable = path_.steps.empty() ? std::string_view{} : assigned;
            if (variable.empty()) variable = pointer_at(line.text, line.column);
            if (variable.empty()) variable = used_in(expression_at(line.text, line.column));
            set("address", address_at(line.text, line.column));
        }
        set("var", variable);
        set("name", variable.empty() ? reg_ : fmt::format("{} ({})", variable, reg_));
        set("origin", path_.origin_function.empty() ? "" : path_.origin_function + "()");
        set("origin_function", path_.origin_function);
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
    void follow_index() {
        int moved = path_.index_event;
        std::string by = path_.index_register;
        if (moved < 0 && fault_ >= 0 && code_.kind == Code::arithmetic && !code_.source.empty()) {
            moved = fault_;
            by = code_.source;
        }
        if (moved < 0) return;
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

    Match classify() const {
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
    void derive_for_class(Facts& facts) const {
        if (const auto moment = facts.find("moment"); moment != facts.end())
            if (moment->second.find("callback") != std::string::npos) facts["in_callback"] = "yes";
        if (facts["type"] == "ctx") facts["context_access"] = "yes";
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
            const int test =
                inverted_packet_test(history_, fault_, reg_,
                                     take_number(at).value_or(0) + code_.offset + number_in(facts, "size"));
            if (test >= 0)
                facts["inverted_line"] = std::to_string(history_.line_of(history_.event(test)).line);
        }
    }

    // Which call took what is not given back: instruction `alloc`.
    void acquisition(Facts& facts) const {
        if (!facts.contains("alloc")) return;
        const int taken = history_.on_path(last_, static_cast<std::uint32_t>(number_in(facts, "alloc")));
        if (taken < 0) return;
        const std::string function(decode(history_.event(taken).text).function);
        facts["acquired_by"] = function;
        if (function.starts_with("bpf_iter_") && function.ends_with("_new")) {
            facts["acquires_iterator"] = "yes";
            facts["release"] = function.substr(0, function.size() - 3) + "destroy";
        } else if (function.ends_with("dynptr")) {
            facts["acquires_dynptr"] = "yes";
        }
        if (const auto release = text_named(words_.releases, function); !release.empty())
            facts["release"] = release;
        // What an exchange gave back is of the type that the map's field has.
        const Held given = read_held(history_.held_after(taken, "R0"));
        const std::size_t type = given.kind.rfind("ptr_or_null_");
        if (type != std::string_view::npos)
            if (const auto release = text_named(words_.releases, given.kind.substr(type + 12));
                !release.empty())
                facts["release"] = release;
    }

    // Figures that follow from those of the complaint, and where the fault lies.
    void derive() {
        acquisition(facts_);
        derive_for_class(facts_);
        if (has(facts_, "arg") && !has(facts_, "argument"))
            set("argument", std::to_string(number_in(facts_, "arg") + 1));
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
                if (!global_ && size > 0 && begin >= 0 && begin < limit && (limit - begin) % size == 0)
                    set("entries", std::to_string((limit - begin) / size));
            }
        }
        if (off < 0) set("depth", std::to_string(-off));
        if (has(facts_, "var_off")) derive_alignment(off);
        // Behind a variable header the packet's begin is no measure; the pointer itself is.
        if (number_in(facts_, "id") != 0 && facts_.contains("at") && has(facts_, "var")) {
            const std::string& variable = facts_["var"];
            set("pointer", is_identifier(variable) ? variable : "(" + variable + ")");
            set("data_end", "data_end");
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

    std::optional<std::uint32_t> place_;

    SourceLine line_of_place(std::uint32_t insn) const {
        // The compiler computes a field's offset where it likes; the line that names the field is meant.
        const auto field = facts_.find("field");
        if (field != facts_.end() && context_.lines)
            if (auto line = context_.lines->naming(out_.program, field->second, insn)) return *line;
        if (fault_ >= 0 && history_.event(fault_).insn == insn)
            return history_.line_of(history_.event(fault_));
        if (context_.lines)
            if (auto line = context_.lines->of(out_.program, insn)) return *line;
        // "10: return f(n - 1);" stands before the complaint.
        const std::string head = fmt::format("{}: ", insn);
        for (const std::string_view said : log_.complaints)
            if (context_.lines && said.starts_with(head))
                if (auto line = context_.lines->with_text(said.substr(head.size()))) return *line;
        return {};
    }

    // Of a complaint about a name that the object does not define: the line that uses it.
    SourceLine line_of_symbol() const {
        const auto symbol = facts_.find("function");
        if (symbol == facts_.end()) return context_.lines->begin_of(out_.program).value_or(SourceLine{});
        auto line = context_.lines->using_symbol(symbol->second);
        if (!line) return context_.lines->begin_of(out_.program).value_or(SourceLine{});
        if (const std::size_t at = line->text.find(symbol->second); at != std::string::npos)
            line->column = static_cast<std::uint32_t>(at) + 1;
        return *line;
    }

    void derive_alignment(std::int64_t off) {
        // "(0x0; 0x0)+-8+1": the register's own part, its fixed offset, the instruction's.
        const auto own = read_range(facts_["var_off"]);
        const std::int64_t fixed = own && own->first == own->second ? own->first : 0;
        const std::int64_t place = fixed + number_in(facts_, "at") + number_in(facts_, "net") + off;
        set("place", std::to_string(place));
        set("region", has(facts_, "held") ? history_.describe(history_.held_before(fault_, reg_)) : "");
        if (has(facts_, "type") && facts_["type"] == "stack")
            set("region", text_named(words_.registers, "fp"));
        if (!has(facts_, "region")) set("region", text_named(words_.registers, "mem"));
    }

    void derive_return() {
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
    }

    // "fp, pkt, pkt_meta, map_value" in words; the same words once.
    std::string expected_words(std::string_view expected) const {
        std::vector<std::string> said;
        for (const std::string_view each : split(expected, ',')) {
            const std::string words = history_.describe(trim(each));
            if (!words.empty() && std::find(said.begin(), said.end(), words) == said.end())
                said.push_back(words);
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
    void derive_acquired() {
        const int taken = history_.on_path(last_, static_cast<std::uint32_t>(number_in(facts_, "alloc")));
        if (taken < 0) return;
        const SourceLine line = history_.line_of(history_.event(taken));
        if (line.line) set("origin_line", std::to_string(line.line));
        const std::string_view variable = assigned_variable(line.text);
        facts_.erase("var");
        facts_.erase("pointee");
        set("var", variable);
        const std::string function = facts_["acquired_by"];
        for (int number = 1; number <= 5; ++number)
            if (const auto argument = call_argument(line.text, function, number);
                argument.starts_with("&") && (has(facts_, "acquires_iterator") ? number == 1 : number == 4))
                set("pointee", base_variable(argument));
        if (has(facts_, "release") && facts_["release"].starts_with("bpf_ringbuf") && !variable.empty())
            set("release_call", fmt::format("bpf_ringbuf_discard({}, 0);", variable));
        follow_to_end(taken, function);
    }

    // The way from where something was taken to where the path ends without giving it back, last step first.
    void follow_to_end(int taken, const std::string& function) {
        const SourceLine end = history_.line_of(history_.event(last_));
        if (end.line) set("end_line", std::to_string(end.line));
        path_.steps.clear();
        path_.steps.push_back(history_.step(last_, "end", {}));
        int branches = 0;
        for (int later = last_, i = history_.event(last_).previous; i >= 0 && i != taken && branches < 4;
             later = i, i = history_.event(i).previous) {
            const Instruction code = decode(history_.event(i).text);
            if (code.kind != Code::branch) continue;
            const bool jumped = history_.event(later).insn != history_.event(i).insn + 1;
            path_.steps.push_back(history_.step(
                i, jumped ? "taken" : "not_taken",
                {{"condition", fmt::format("{} {} {}", code.source, code.operation, code.operand)}}));
            ++branches;
        }
        path_.steps.push_back(history_.step(taken, "acquired", {{"function", function}}));
        reg_.clear();
        fault_ = taken;
    }

    void say(const Match& match) {
        out_.kind = match.rejection->id;
        out_.title = match.rejection->title;
        const auto choose = [&](auto part) {
            std::string text;
            if (match.pattern) text = fill_first(match.pattern->*part.first, facts_);
            const bool own = match.pattern && !(match.pattern->*part.first).empty();
            if (text.empty() && !(own && part.first == &RejectionPattern::code))
                text = fill_first(match.rejection->*part.second, facts_);
            return text;
        };
        out_.what = choose(std::pair(&RejectionPattern::what, &RejectionClass::what));
        if (out_.what.empty()) out_.what = out_.kernel_says;
        out_.remedy = choose(std::pair(&RejectionPattern::remedy, &RejectionClass::remedy));
        // A remedy of its own has a line of its own or none.
        const bool own_remedy =
            match.pattern && !match.pattern->remedy.empty() && match.pattern->code.empty();
        if (!own_remedy) out_.code = choose(std::pair(&RejectionPattern::code, &RejectionClass::code));
        out_.reg = reg_;
        if (fault_ >= 0) {
            const LogEvent& fault = history_.event(fault_);
            out_.insn = fault.insn;
            out_.instruction = fault.text;
            out_.at = history_.line_of(fault);
        } else if (place_) {
            out_.insn = place_;
            out_.at = line_of_place(*place_);
        } else if (context_.lines && !out_.program.empty()) {
            out_.at = line_of_symbol();
        }
        out_.expression = expression_at(out_.at.text, out_.at.column);
        out_.because = std::move(path_.steps);
    }
};

}  // namespace

Rejection explain_rejection(std::string_view log, const RejectionContext& context) {
    return Explainer(log, context).explain();
}

std::vector<RejectionKind> rejection_kinds(std::string_view language) {
    std::vector<RejectionKind> out;
    for (const RejectionClass& each : verifier_words(language).classes) out.push_back({each.id, each.title});
    return out;
}

}  // namespace waggle
