// SPDX-License-Identifier: Apache-2.0
// The call at fault: the size that it gets for the memory in the argument before it, and its line written anew.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "verifier/advice.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/remedy.h"
#include "verifier/repairs.h"

namespace waggle::kernel {
namespace {

using Code = Instruction::Kind;

// "base + len" of "offsetof(struct event, name) + len" and of "sizeof(*e) + len": constants call nothing.
std::string without_sizes(std::string text) {
    for (const std::string_view word : {"offsetof(", "sizeof("})
        for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word))
            text.replace(at, word.size(), "(");
    return text;
}

std::int64_t number_of(std::optional<std::string_view> text) {
    std::string_view digits = text.value_or("0");
    return take_number(digits).value_or(0);
}

class SizeAdvice : LineRemedies {
  public:
    SizeAdvice(const Situation& situation, Facts& facts) : LineRemedies(situation, facts) {
        if (lines_.empty() && it_.context.lines) lines_ = it_.context.lines->all_of(it_.program);
        const int named = it_.reg[1] - '0';
        at_fault_ = read_held(it_.history.held_before(it_.fault, it_.reg)).is_scalar();
        number_ = at_fault_ ? named : named + 1;
        if (!at_fault_)
            name_ = without_casts(call_argument(here_.text, it_.code.function, number_));
        else if (has(facts_, "var"))
            name_ = facts_["var"];
    }

    // "sizeof(e->text) - used", given as the size or behind the memory at fault.
    void note_difference() {
        const std::string_view size = call_argument(here_.text, it_.code.function, number_);
        if (size.find(" - ") != std::string_view::npos) facts_["size_difference"] = size;
    }

    void add() {
        if (number_ < 2 || number_ > 5 || !held(number_).is_scalar() || held(number_).number) return;
        is_sum_ = name_.find(" + ") != std::string::npos && !calls_or_changes(without_sizes(name_));
        if (name_.empty() || is_digit(name_[0]) || (!is_sum_ && !is_member_path(name_))) return;
        room_ = room();
        if (room_.empty()) return;
        facts_["room"] = room_;
        // A member can be read anew by the compiler: one copy is tested and given.
        const bool member = !is_identifier(name_) && name_.find("->") != std::string::npos &&
                            name_.find(' ') == std::string::npos;
        // Of what was computed it can test another copy.
        const bool computed = !at_fault_ || !as_it_was_read();
        if (member || is_sum_ || computed) {
            const std::string copy = unused("length");
            const std::string barrier =
                member || is_sum_ ? std::string() : fmt::format(" asm volatile(\"\" : \"+r\"({}));", copy);
            set_line("copied_size", fmt::format("__u64 {} = {};{}", copy, name_, barrier),
                     fmt::format("{} > {}", copy, room_), copy);
        }
        if (is_sum_ || !at_fault_) return;
        not_empty();
        const bool counts_up = declared_signedness(lines_, name_) == Signedness::is_unsigned;
        facts_["size_outside"] = counts_up ? fmt::format("{} > {}", name_, room_)
                                           : fmt::format("{} < 0 || {} > {}", name_, name_, room_);
    }

  private:
    std::string name_, room_;
    int number_ = 0;        // of the argument that is the size
    bool at_fault_ = true;  // it is what the kernel complains of; else it is the memory in front of it
    bool is_sum_ = false;

    Held held(int number) const {
        return read_held(it_.history.held_before(it_.fault, fmt::format("R{}", number)));
    }

    // A name that the function does not have yet.
    std::string unused(std::string name) const {
        while (std::any_of(lines_.begin(), lines_.end(),
                           [&](const SourceLine& line) { return has_word(line.text, name); }))
            name += "_given";
        return name;
    }

    // The line at fault behind a test that leaves where it is true; it gets `given` for the size.
    void set_line(std::string_view name, const std::string& copy, const std::string& outside,
                  const std::string& given) {
        const std::string call = with_argument(here_.text, it_.code.function, number_, given);
        if (!call.empty() && !leave().empty() && !is_body_without_braces(lines_, here_))
            set_place(name, fmt::format("{} if ({}) {} {}", copy, outside, leave(), call), here_);
    }

    // The bytes that the memory has, as the source can write them; empty where that cannot be told.
    std::string room() const {
        const Held memory = held(number_ - 1);
        const std::string_view given = call_argument(here_.text, it_.code.function, number_ - 1);
        if (declared_as_array(lines_, given)) return fmt::format("sizeof({})", given);
        if (memory.kind == "fp" && memory.number && *memory.number < 0 && given.starts_with("&"))
            return fmt::format("sizeof({})", trim(given.substr(1)));
        const std::int64_t offset = number_of(memory.part("off"));
        std::int64_t left = 0;
        if (memory.kind == "map_value")
            left = end_of_value(memory, offset) - offset;
        else if (memory.part("sz"))
            left = number_of(memory.part("sz")) - offset;
        return left > 0 ? std::to_string(left) : std::string();
    }

    // A section of globals is one value of a map; the variable in it ends earlier.
    std::int64_t end_of_value(const Held& memory, std::int64_t offset) const {
        const std::string_view map = memory.part("map").value_or("");
        const std::size_t dot = map.find('.');
        if (dot != std::string_view::npos && it_.context.lines && offset >= 0)
            if (const auto end =
                    it_.context.lines->variable_end(map.substr(dot), static_cast<std::uint64_t>(offset)))
                return static_cast<std::int64_t>(*end);
        return number_of(memory.part("vs"));
    }

    // Whether the size is as it was read: what the compiler computed, it can test in another form.
    bool as_it_was_read() const {
        return std::none_of(it_.path.steps.begin(), it_.path.steps.end(), [](const Step& step) {
            const Instruction code = decode(step.instruction);
            return code.kind == Code::arithmetic && code.operation != "<<=" && code.operation != ">>=";
        });
    }

    void not_empty() {
        const Held bytes = held(number_);
        std::string_view most = room_;
        const auto has_bytes = take_number(most);
        if (has_bytes && bytes.largest() && *bytes.largest() <= *has_bytes && as_it_was_read() &&
            is_identifier(name_) && !leave().empty())
            set("not_empty", fmt::format("if ({} == 0) {}", name_, leave()));
        else
            set_last_byte();
    }

    // One test of one number says both: of 0 bytes none is the last.
    void set_last_byte() {
        const std::string byte = unused("last_byte");
        set_line("filled_size",
                 fmt::format("__u64 {0} = {1} - 1; asm volatile(\"\" : \"+r\"({0}));", byte, name_),
                 fmt::format("{} >= {}", byte, room_), byte + " + 1");
    }
};

class CallRepairs : LineRemedies {
  public:
    using LineRemedies::LineRemedies;

    void add() {
        got_again();
        if (it_.code.kind != Code::call) return;
        map_of_field();
        lock_around();
        without_flags();
        own_loader();
        zeroed();
    }

  private:
    // "eth = bpf_dynptr_slice(&packet, 0, &copy, sizeof(copy)); if (!eth) return 0;" of a slice that is void.
    void got_again() {
        if (it_.path.lost_by.empty() || !it_.path.origin_function.starts_with("bpf_dynptr_slice") ||
            leave().empty())
            return;
        const SourceLine line = it_.history.line_of(it_.history.event(it_.path.origin));
        const std::string variable = fact("var");
        const std::size_t call = line.text.find(it_.path.origin_function);
        if (!is_identifier(variable) || call == std::string::npos || !line.text.ends_with(");") ||
            assigned_variable(line.text, line.column) != variable)
            return;
        set("got_again", fmt::format("{0} = {1} if (!{0}) {2}", variable, line.text.substr(call), leave()));
    }

    // bpf_timer_init() and its kin: the map that the value with the timer came from.
    void map_of_field() {
        const std::string map = fact("map");
        if (is_identifier(map))
            set_place("map_line", with_argument(here_.text, it_.code.function, 2, "&" + map), here_);
    }

    // A list or tree among the globals: its lock is the variable at place `off` of the same section. What a call
    // takes out, or puts in, needs the lock no longer.
    void lock_around() {
        const std::string_view map =
            read_held(it_.history.held_before(it_.fault, "R1")).part("map").value_or("");
        const std::size_t dot = map.find('.');
        if (dot == std::string_view::npos || fact("off").empty() || !it_.context.lines) return;
        const std::string lock = it_.context.lines->variable_at(
            map.substr(dot), static_cast<std::uint64_t>(number_in(facts_, "off")));
        if (lock.empty()) return;
        set("lock_name", "&" + lock);
        const std::string_view function = it_.code.function;
        const bool whole = here_.text.ends_with(");") && here_.text.find(';') + 1 == here_.text.size() &&
                           !is_body_without_braces(lines_, here_);
        if (whole && (function.starts_with("bpf_list_pop_") || function == "bpf_rbtree_remove" ||
                      goes_into_collection(function)))
            set_place("locked_line",
                      fmt::format("bpf_spin_lock(&{0}); {1} bpf_spin_unlock(&{0});", lock, here_.text),
                      here_);
    }

    // A helper whose last argument has to be 0.
    void without_flags() {
        if (it_.code.function == "bpf_get_local_storage")
            set_place("no_flags_line", with_argument(here_.text, it_.code.function, 2, "0"), here_);
    }

    // The packet's bytes are copied by another helper in programs of this section.
    void own_loader() {
        const std::string loader = fact("loader_helper");
        const std::string_view used = it_.code.function;
        if (!loader.empty() && loader != used &&
            (used == "bpf_skb_load_bytes" || used == "bpf_xdp_load_bytes"))
            set_place("loader_line", replace_all(here_.text, used, loader), here_);
    }

    // "struct key key;": behind its declaration all of it gets a value.
    void zeroed() {
        const std::string pointee = fact("pointee");
        if (!is_identifier(pointee)) return;
        for (const SourceLine& line : lines_)
            if (line.line < here_.line && line.text.ends_with(fmt::format(" {};", pointee)) &&
                line.text.find_first_of("=*(,") == std::string::npos && !line.text.starts_with("return "))
                set_place("zeroed", fmt::format("__builtin_memset(&{0}, 0, sizeof({0}));", pointee), line);
    }
};

}  // namespace

void add_size_advice(const Situation& situation, Facts& facts) {
    if (situation.fault < 0 || situation.code.kind != Code::call || situation.reg.size() != 2 ||
        situation.reg[1] < '1' || situation.reg[1] > '5')
        return;
    SizeAdvice advice(situation, facts);
    advice.note_difference();
    advice.add();
}

void add_call_repairs(const Situation& situation, Facts& facts) { CallRepairs(situation, facts).add(); }

}  // namespace waggle::kernel
