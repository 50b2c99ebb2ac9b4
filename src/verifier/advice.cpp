// SPDX-License-Identifier: Apache-2.0
#include "verifier/advice.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "base/text.h"
#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/remedy.h"

namespace waggle::kernel {
namespace {

using Code = Instruction::Kind;

class Advice : LineRemedies {
  public:
    Advice(const Situation& situation, Facts& facts) : LineRemedies(situation, facts) {
        if (lines_.empty() && it_.context.lines) lines_ = it_.context.lines->all_of(it_.program);
        access_ = expression_at(here_.text, here_.column);
        // Of "seen[n] = 1" the left side is what is written, of "seen[n] += 1" it is what is read too.
        const bool both = is_joined_assignment(access_);
        changes_ = both || access_.ends_with("++") || access_.ends_with("--");
        if (changes_ && !both) access_.resize(access_.size() - 2);
        if (it_.code.kind == Code::store || both)
            if (const std::size_t equals = access_.find('='); equals != std::string::npos && equals > 0) {
                access_.resize(access_.find_last_not_of(" +-*/%&|^<>", equals - 1) + 1);
                if (access_.ends_with("]") && declared_before(access_))
                    access_ = access_.substr(access_.rfind(' ') + 1);
            }
    }

    void add() {
        if (it_.fault < 0) return;
        const std::string verdict = facts_.contains("verdict") ? facts_["verdict"] : "0";
        leave_ = leave_statement(it_.history, it_.fault, verdict);
        set("leave", leave_);
        if (is_access(access_, here_.text)) set("access_text", access_);
        null_test();
        index();
        packet();
        reads();
        replaced_lines();
    }

  private:
    std::string access_, leave_;
    bool changes_ = false;  // what is read there is written back

    // "char first[4]" declares, it writes nothing.
    static bool declared_before(std::string_view text) {
        const std::size_t blank = text.rfind(' ');
        return blank != std::string_view::npos && text.find('[') > blank;
    }

    // "u->emitted" and "kind" of "u->emitted[kind]" and of "u->emitted[kind].count".
    static std::pair<std::string_view, std::string_view> element(std::string_view access) {
        const std::size_t close = access.rfind(']') + 1;
        if (access.substr(std::min(close, access.size())).starts_with(".")) access = access.substr(0, close);
        if (!access.ends_with("]")) return {};
        int depth = 0;
        for (std::size_t at = access.size(); at-- > 0;) {
            if (access[at] == ']') ++depth;
            if (access[at] == '[' && --depth == 0)
                return {access.substr(0, at), trim(access.substr(at + 1, access.size() - at - 2))};
        }
        return {};
    }

    // The last member or variable of "u->emitted".
    static std::string_view last_name(std::string_view path) {
        std::size_t begin = path.size();
        while (begin > 0 && is_word(path[begin - 1])) --begin;
        return path.substr(begin);
    }

    static bool is_number(std::string_view text) {
        return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    }

    void index() {
        if (it_.moved < 0 || it_.moved_by.empty()) return;
        const IndexWay way = follow_index_back(it_.history, it_.moved, std::string(it_.moved_by));
        auto [array, inside] = element(access_);
        std::string name;
        if (inside.ends_with("++") || inside.ends_with("--")) inside.remove_suffix(2);
        if (it_.code.kind == Code::call) std::tie(array, inside) = element_given();
        if (!inside.empty() && !is_number(inside) && !calls_or_changes(inside)) name = inside;
        if (name.empty() && !calls_or_changes(way.expression) && way.expression != access_)
            name = way.expression;
        if (!way.global_function.empty()) {
            set("global_function", way.global_function);
            set_line("global_line", way.origin);
        }
        const bool is_weak = binds_weaker_than_comparison(name);
        if ((is_weak || (name.empty() && calls_or_changes(inside))) && it_.code.kind != Code::call)
            copied_index(std::string(inside), upper_bound("copy", array, way));
        if (name.empty()) return;
        set("index", is_weak ? fmt::format("({})", name) : name);
        if (is_weak) return;
        Signedness sign = declared_signedness(lines_, name);
        if (sign == Signedness::unknown && way.sign_extended) sign = Signedness::is_signed;
        if (sign == Signedness::unknown && way.lowest && *way.lowest >= 0) sign = Signedness::is_unsigned;
        const std::string upper = upper_bound(name, array, way);
        if (!upper.empty())
            set("outside",
                sign == Signedness::is_unsigned ? upper : fmt::format("{} < 0 || {}", name, upper));
        if (has(facts_, "outside") && !leave_.empty())
            set("bound_test", fmt::format("{}if ({}) {}",
                                          way.divided && is_identifier(name)
                                              ? fmt::format("asm volatile(\"\" : \"+r\"({})); ", name)
                                              : std::string(),
                                          facts_["outside"], leave_));
        if (sign == Signedness::is_unsigned) set("index_unsigned", "yes");
        if (sign == Signedness::is_signed) set("index_signed", "yes");
        const int copy = test_of_a_copy(it_.history, it_.moved, way);
        if (copy >= 0) test_again(copy, name);
        mask_in_place(way);
    }

    // "ports[bpf_ntohs(udp->dest)]++;": what the call gives is tested and used as one copy.
    void copied_index(const std::string& inside, const std::string& outside) {
        if (inside.find_first_of("=;") == std::string::npos)
            set_place("copied_index", with_one_copy(inside, outside), here_);
    }

    // "skb->sk": each time it is read it can be null again; one copy is tested and used.
    void test_of_copy(const std::string& member) {
        const bool member_alone = member.find("->") != std::string::npos && !calls_or_changes(member) &&
                                  member.find_first_of(" (*&") == std::string::npos;
        const bool call = !it_.path.origin_function.empty() &&
                          member.starts_with(it_.path.origin_function + "(") && member.ends_with(")");
        if (leave_.empty() || (!member_alone && !call) || !here_.text.ends_with(";")) return;
        const std::string text = replace_all(here_.text, member, "copy");
        if (text == here_.text) return;
        const std::string all = fmt::format("__auto_type copy = {}; if (!copy) {} {}", member, leave_, text);
        facts_["null_copy_at"] = std::to_string(here_.line);
        set("null_test", "instead null_copy_at: " +
                             (is_body_without_braces(lines_, here_) ? fmt::format("{{ {} }}", all) : all));
    }

    // The test stands best right behind the line that got the pointer.
    void null_test() {
        if (has(facts_, "var") && !is_identifier(facts_["var"]))
            test_of_copy(std::string(without_casts(facts_["var"])));
        if (has(facts_, "var") && !calls_or_changes(facts_["var"])) set("tested", facts_["var"]);
        if (!has(facts_, "var") || !is_identifier(facts_["var"])) return;
        const std::string& variable = facts_["var"];
        const std::string verdict = facts_.contains("verdict") ? facts_["verdict"] : "0";
        if (it_.path.origin >= 0) {
            const SourceLine origin = it_.history.line_of(it_.history.event(it_.path.origin));
            const std::string leave = leave_statement(it_.history, it_.path.origin, verdict);
            if (origin.file == here_.file && origin.line <= here_.line && origin.text.ends_with(";") &&
                !leave.empty() && assigned_variable(origin.text, origin.column) == variable &&
                !is_body_without_braces(lines_, origin)) {
                facts_["null_test_at"] = std::to_string(origin.line);
                set("null_test", fmt::format("after null_test_at: if (!{}) {}", variable, leave));
                return;
            }
        }
        if (!leave_.empty()) set("null_test", fmt::format("before: if (!{}) {}", variable, leave_));
    }

    void set_line(std::string_view name, int event) {
        const std::uint32_t line = it_.history.line_of(it_.history.event(event)).line;
        if (line) set(name, std::to_string(line));
    }

    // "at > 3840", "kind >= 4".
    std::string upper_bound(std::string_view name, std::string_view array, const IndexWay& way) const {
        const std::int64_t size = number_in(facts_, "size"), limit = number_in(facts_, "limit");
        const std::int64_t element = way.element_bytes;
        if (it_.code.kind == Code::call) return bound_of_argument(name, way);
        std::string count = fmt::format("{} >= sizeof({}) / sizeof({}[0])", name, array, array);
        // "grid[row]": what the row has, whatever the rows behind it have.
        if (array.ends_with("]")) return calls_or_changes(array) ? std::string() : count;
        if (!array.empty() && it_.context.lines && size <= element)
            if (const auto length = it_.context.lines->array_length(last_name(array)))
                return fmt::format("{} >= {}", name, *length);
        if (limit > 0 && size > 0 && it_.first_element >= 0 && !it_.global) {
            const std::int64_t room = limit - it_.first_element - size;
            if (room < 0) return {};
            return size == element ? fmt::format("{} >= {}", name, room / element + 1)
                                   : fmt::format("{} > {}", name, room / element);
        }
        if (has(facts_, "variable_bytes"))
            return fmt::format("{} >= {}", name, number_in(facts_, "variable_bytes") / element);
        if (declared_as_array(lines_, array)) return count;
        // The last element that lies in the value as far as it is used.
        const std::int64_t last = number_in(facts_, "value_size") - it_.first_element -
                                  std::max<std::int64_t>(1, width_of(it_.code.width));
        if (has(facts_, "value_size") && !it_.global && array.find("->") == std::string_view::npos &&
            it_.first_element >= 0 && last >= element)
            return fmt::format("{} >= {}", name, last / element + 1);
        return array.find("->") != std::string_view::npos && !calls_or_changes(array) ? count : std::string();
    }

    // "line" and "at" of the argument "&line[at]" or "line + at".
    std::pair<std::string_view, std::string_view> element_given() const {
        if (it_.reg.size() != 2) return {};
        const std::string_view given = call_argument(here_.text, it_.code.function, it_.reg[1] - '0');
        if (given.starts_with("&")) return element(trim(given.substr(1)));
        const std::size_t plus = given.find('+');
        if (plus == std::string_view::npos) return {};
        return {trim(given.substr(0, plus)), trim(given.substr(plus + 1))};
    }

    // The element of an argument that a helper uses some bytes of.
    std::string bound_of_argument(std::string_view name, const IndexWay& way) const {
        if (it_.reg.size() != 2 || it_.reg[1] < '1' || it_.reg[1] > '4' || way.element_bytes != 1) return {};
        const int number = it_.reg[1] - '0';
        const auto bytes =
            read_held(it_.history.held_before(it_.fault, fmt::format("R{}", number + 1))).largest();
        if (!bytes || *bytes < 0) return {};
        const auto [array, inside] = element_given();
        if (array.empty() || inside != name || !it_.context.lines) return {};
        const auto length = it_.context.lines->array_length(last_name(array));
        if (!length || *length <= *bytes) return {};
        return fmt::format("{} > {}", name, *length - *bytes);
    }

    // The program's own test, put where it counts: behind a barrier that leaves one copy.
    void test_again(int copy, const std::string& name) {
        const SourceLine line = it_.history.line_of(it_.history.event(copy));
        if (line.line) set("copy_line", std::to_string(line.line));
        if (!is_identifier(name) || leave_.empty()) return;
        std::string_view text = line.text;
        if (text.starts_with("if (") && text.find(name) != std::string_view::npos) {
            int depth = 0;
            std::size_t end = 3;
            for (; end < text.size(); ++end) {
                if (text[end] == '(') ++depth;
                if (text[end] == ')' && --depth == 0) break;
            }
            if (end < text.size()) {
                const std::string_view condition = text.substr(4, end - 4);
                set("copy_test",
                    fmt::format("asm volatile(\"\" : \"+r\"({})); if ({}) {}", name, condition, leave_));
                return;
            }
        }
        if (has(facts_, "outside"))
            set("copy_test",
                fmt::format("asm volatile(\"\" : \"+r\"({})); if ({}) {}", name, facts_["outside"], leave_));
    }

    // A number that is added to a packet pointer: cut to what the verifier takes, where it is added.
    void mask_in_place(const IndexWay& way) {
        const SourceLine& line = way.expression_at;
        if (way.expression.empty() || line.line == 0) return;
        const SourceLine* added = &line;
        // The number has a name of its own: the line that adds it.
        std::string text = line.text;
        const bool grows = line.text.starts_with(way.expression + " += ");
        if (grows || assigned_variable(line.text, line.column) == way.expression) {
            added = nullptr;
            for (const SourceLine& each : lines_)
                if (each.file == line.file && (grows ? each.line != line.line : each.line > line.line) &&
                    each.line <= here_.line && each.text.find('+') != std::string::npos &&
                    replace_all(each.text, way.expression, "?") != each.text) {
                    added = &each;
                    break;
                }
            if (!added) return;
            text = added->text;
        }
        // A test leaves what the program reads as it is, where the number that is tested is the one that is added.
        const std::string verdict = facts_.contains("verdict") ? facts_["verdict"] : "0";
        const std::string leave = leave_statement(it_.history, it_.moved, verdict);
        const bool counts_up = !way.sign_extended && way.lowest && *way.lowest >= 0 &&
                               declared_signedness(lines_, way.expression) == Signedness::is_unsigned;
        if (counts_up && way.element_bytes == 1 && is_identifier(way.expression) && !leave.empty() &&
            !is_body_without_braces(lines_, *added) && added->file == here_.file) {
            set("narrow_test", fmt::format("if ({} > 0xf000) {}", way.expression, leave));
            set("narrow_test_at", std::to_string(added->line));
        }
        const std::int64_t highest = way.highest.value_or(0x7fff);
        std::int64_t mask = 0x7f;
        while (mask < 0x7fff && mask < highest) mask = mask << 1 | 1;
        set_place("masked_line",
                  replace_all(text, way.expression, fmt::format("({} & {:#x})", way.expression, mask)),
                  *added);
        set("mask", fmt::format("{:#x}", mask));
    }

    void packet() {
        const std::string end = packet_end_name(it_.history, it_.fault);
        set("data_end", end);
        const std::string context =
            it_.context.lines ? it_.context.lines->first_parameter(it_.program) : std::string();
        if (!end.empty()) {
            if (end != "data_end") set("other_end", end);
        } else if (!context.empty() && it_.history.event(it_.fault).frame == 0) {
            // It never asked for it.
            set("data_end",
                has(facts_, "option_memory")
                    ? context + "->optval_end"
                    : fmt::format("(void *)(long){}->{}", context, packet_end_field(it_.context.section)));
        }
        if (const int subtracted = packet_subtraction(it_.history, it_.fault); subtracted >= 0)
            set_line("subtracted_line", subtracted);
        const Held held = read_held(it_.history.held_before(it_.fault, it_.reg));
        if (it_.code.kind == Code::arithmetic && held.kind == "pkt_end") move_other_side();
        if (!held.is_packet() || it_.path.origin < 0) return;
        const SourceLine origin = it_.history.line_of(it_.history.event(it_.path.origin));
        const std::string_view begin = assigned_variable(origin.text, origin.column);
        if (origin.file == here_.file && origin.line <= here_.line &&
            origin.text.find(fmt::format("->{}", packet_begin_field(it_.context.section))) !=
                std::string::npos &&
            !moves_by_variable(begin))
            set("packet_begin", begin);
        if (!has(facts_, "data_end") || !is_access(access_, here_.text)) return;
        const std::string leave = in_loop(it_.history, it_.fault) ? "break;" : leave_;
        if (leave.empty()) return;
        if (in_loop(it_.history, it_.fault)) set("in_loop", "yes");
        const std::string checked = fmt::format(
            "(*({{ __auto_type at = &({}); asm volatile(\"\" : \"+r\"(at)); if ((void *)(at + 1) > (void "
            "*){}) {} at; }}))",
            access_, facts_["data_end"], leave);
        const bool own_name = is_identifier(facts_.contains("var") ? facts_["var"] : "");
        set_place(in_loop(it_.history, it_.fault) || !own_name ? "loop_read" : "checked_read",
                  replace_all(here_.text, access_, checked), here_);
    }

    // "begin[i]": how far it reaches differs from round to round.
    bool moves_by_variable(std::string_view begin) const {
        const auto [array, inside] = element(access_);
        return !begin.empty() && array == begin && !inside.empty() && !is_number(inside);
    }

    // "if (data > data_end - 20)": the end stays, the other side moves.
    void move_other_side() {
        std::string_view operand = it_.code.operand;
        const std::int64_t bytes = it_.code.source.empty() ? take_number(operand).value_or(0) : 0;
        const std::string end(facts_.contains("data_end") && !facts_["data_end"].empty()
                                  ? facts_["data_end"]
                                  : std::string(it_.path.variable));
        const std::string_view text = here_.text;
        if (bytes >= 0 || end.empty()) return;
        const std::string moved = end + " - ";
        const std::size_t at = text.find(moved);
        if (at == std::string_view::npos) return;
        // What follows is a number, sizeof() or a name.
        std::size_t tail = at + moved.size();
        while (tail < text.size() && (is_word(text[tail]) || text[tail] == '(')) {
            if (text[tail] == '(') {
                int depth = 0;
                for (; tail < text.size(); ++tail) {
                    if (text[tail] == '(') ++depth;
                    if (text[tail] == ')' && --depth == 0) break;
                }
            }
            ++tail;
        }
        // Left of it: "NAME >".
        std::size_t operation = at;
        while (operation > 0 &&
               (text[operation - 1] == ' ' || text[operation - 1] == '=' || text[operation - 1] == '<' ||
                (text[operation - 1] == '>' && text[operation - 2] != '-')))
            --operation;
        std::size_t left = operation;
        while (left > 0 && (is_word(text[left - 1]))) --left;
        // A cast in front belongs to it.
        const std::string_view name = text.substr(left, operation - left);
        if (name.empty() || operation == at) return;
        std::size_t cast = left;
        if (text.substr(0, left).ends_with("(void *)")) cast = left - 8;
        set_place("end_line",
                  fmt::format("{}(void *){} + {}{}{}{}", text.substr(0, cast), name, -bytes,
                              text.substr(operation, at - operation), end, text.substr(tail)),
                  here_);
    }

    // "task->pid" of "bpf_printk("%d", task->pid);": a macro has no column of its own for what it is given.
    std::string only_member_read() const {
        const auto var = facts_.find("var");
        if (var == facts_.end() || !is_identifier(var->second)) return {};
        const std::string head = var->second + "->";
        const std::size_t at = here_.text.find(head);
        if (at == std::string::npos || here_.text.find(head, at + 1) != std::string::npos ||
            (at > 0 && is_word(here_.text[at - 1])))
            return {};
        const std::string_view member = expression_at(here_.text, static_cast<std::uint32_t>(at) + 1);
        return is_access(member, here_.text) && member.rfind("->") == var->second.size() ? std::string(member)
                                                                                         : std::string();
    }

    void reads() {
        if (it_.code.kind != Code::load) return;
        if (changes_) set("changes", "yes");
        const std::string read = is_access(access_, here_.text) ? access_ : only_member_read();
        const std::string_view type = type_of_width(it_.code.width);
        if (type.empty() || changes_ || read.empty()) return;
        for (const auto& [fact, reader] : {std::pair("user_read", "bpf_probe_read_user"),
                                           std::pair("kernel_read", "bpf_probe_read_kernel")}) {
            std::string text = here_.text;
            for (const std::string& each : accesses_like(here_.text, read))
                text = replace_all(text, each,
                                   fmt::format("({{ {} value = 0; {}(&value, sizeof(value), {}); value; }})",
                                               type, reader, address_of(each)));
            set_place(fact, text, here_);
        }
    }

    void replaced_lines() {
        const std::string context =
            it_.context.lines ? it_.context.lines->first_parameter(it_.program) : std::string();
        set("context_name", context);
        const bool first = it_.reg == "R1" || has(facts_, "packet_for_context");
        if (it_.code.kind == Code::call && first && !context.empty())
            set_place("context_line", with_argument(here_.text, it_.code.function, 1, context), here_);
        if (it_.path.origin >= 0) {
            const SourceLine origin = it_.history.line_of(it_.history.event(it_.path.origin));
            const std::string typed =
                replace_all(origin.text, "bpf_get_current_task()", "bpf_get_current_task_btf()");
            set_place("task_line", typed, origin);
        }
        const std::string called(it_.history.event(it_.fault).called);
        std::string function = called;
        if (function.empty() && it_.code.kind == Code::call_local)
            function = last_name(std::string_view(access_).substr(0, access_.find('(')));
        if (!function.empty()) {
            set("called_function", function);
        }
    }
};

}  // namespace

LineRemedies::LineRemedies(const Situation& situation, Facts& facts) : it_(situation), facts_(facts) {
    if (it_.fault >= 0) here_ = it_.history.line_of(it_.history.event(it_.fault));
    if (it_.context.lines) lines_ = it_.context.lines->function_around(here_);
}

std::string LineRemedies::fact(std::string_view name) const {
    const auto found = facts_.find(name);
    return found == facts_.end() ? std::string() : found->second;
}

void LineRemedies::set(std::string_view name, std::string_view value) {
    if (!value.empty()) facts_[std::string(name)] = value;
}

void LineRemedies::set_place(std::string_view name, std::string_view text, const SourceLine& at) {
    if (text.empty() || at.line == 0 || at.file != here_.file || text == at.text) return;
    set(name, text);
    set(std::string(name) + "_at", std::to_string(at.line));
}

std::string LineRemedies::with_one_copy(const std::string& expression, std::string_view outside) const {
    const std::string used = replace_all(here_.text, expression, "copy");
    if (outside.empty() || leave().empty() || used == here_.text || !here_.text.ends_with(";") ||
        is_body_without_braces(lines_, here_))
        return {};
    return fmt::format("__u64 copy = {}; if ({}) {} {}", expression, outside, leave(), used);
}

void add_advice(const Situation& situation, Facts& facts) {
    Advice(situation, facts).add();
    add_size_advice(situation, facts);
}

}  // namespace waggle::kernel
