// SPDX-License-Identifier: Apache-2.0
// A rejection put together: which class, which register, its way, and the words.
#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "kernel/verifier_expression.h"
#include "kernel/verifier_figures.h"
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

    void find_register() {
        for (const std::string_view line : log_.complaints)
            if (reg_.empty()) reg_ = register_in(line.substr(0, longest_line));
        if (fault_ < 0) return;
        code_ = decode(history_.event(fault_).text);
        if (!reg_.empty()) return;
        // "Possibly NULL pointer passed to trusted arg0": counted from 0; "helper arg1": from 1.
        for (const std::string_view line : log_.complaints) {
            if (auto named = match_pattern("Possibly NULL pointer passed to trusted arg{arg:d}", line))
                reg_ = fmt::format("R{}", number_in(*named, "arg") + 1);
            else if (auto helper = match_pattern("Possibly NULL pointer passed to helper arg{arg:d}", line))
                reg_ = "R" + (*helper)["arg"];
        }
        if (!reg_.empty()) return;
        if (code_.kind == Code::load || code_.kind == Code::store) reg_ = code_.base;
        if (code_.kind == Code::arithmetic) reg_ = code_.dest;
        if (code_.kind == Code::exit) reg_ = "R0";
    }

    // What the log's structure gives, before the complaint itself is read.
    void gather() {
        set("section", context_.section);
        set("verdict", verdict_of(context_.section));
        set("kernel_says", out_.kernel_says);
        if (reg_.size() > 1) set("reg", std::string_view(reg_).substr(1));
        if (context_.section.find('/') != std::string_view::npos)
            set("sleepable_section",
                fmt::format("{}.s{}", context_.section.substr(0, context_.section.find('/')),
                            context_.section.substr(context_.section.find('/'))));
        if (fault_ < 0) return;
        set("instruction", history_.event(fault_).text);
        set("access", label(code_.kind == Code::store ? "writes" : "reads", {}));
        if (code_.kind == Code::store) set("writes", "yes");
        set("helper", code_.function);
        if (code_.function.find("dynptr") != std::string_view::npos) set("helper_kind", "dynptr");
        if (!reg_.empty()) {
            const bool void_now =
                std::any_of(log_.complaints.begin(), log_.complaints.end(), [](std::string_view line) {
                    return line.find("invalid mem access 'scalar'") != std::string_view::npos ||
                           line.find("invalid mem access 'inv'") != std::string_view::npos ||
                           line.find("invalid mem access '?'") != std::string_view::npos ||
                           line.find("!read_ok") != std::string_view::npos ||
                           line.find("type=scalar expected") != std::string_view::npos ||
                           line.find("type=inv expected") != std::string_view::npos;
                });
            path_ = history_.trace(fault_, reg_, void_now);
        }
        set("lost_by", path_.lost_by);
        set("released_by", path_.released_by);
        set("clobbered_by", path_.clobbered_by);
        if (path_.lost_event >= 0) {
            const std::uint32_t line = history_.line_of(history_.event(path_.lost_event)).line;
            if (line) set(path_.lost_by.empty() ? "released_line" : "lost_line", std::to_string(line));
        }
        const std::string_view held = history_.held_before(fault_, reg_);
        if (!held.empty()) describe_held(held);
        name_register();
        follow_index();
    }

    void describe_held(std::string_view text) {
        const Held held = read_held(text);
        set("held_kind", held.kind);
        set("held", history_.describe(text));
        if (held.can_be_null()) set("can_be_null", "yes");
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
    }

    // What the source calls the register's value.
    void name_register() {
        const SourceLine line = history_.line_of(history_.event(fault_));
        const std::string_view expression = expression_at(line.text, line.column);
        std::string_view variable;
        if (code_.kind == Code::call && reg_.size() == 2 && reg_[1] >= '1' && reg_[1] <= '5') {
            set("argument", reg_.substr(1));
            const std::string_view argument = call_argument(line.text, code_.function, reg_[1] - '0');
            variable = is_identifier(argument) ? argument : std::string_view{};
            if (argument.starts_with("&")) set("pointee", base_variable(argument));
            if (argument.starts_with("&")) variable = {};
            if (argument.empty()) variable = path_.variable;
        } else {
            // What it was assigned to says more than the expression, which can go through another pointer.
            variable = path_.variable.empty() || path_.steps.empty() ? base_variable(expression)
                                                                     : std::string_view(path_.variable);
        }
        if (variable.empty()) variable = path_.variable;
        set("var", variable);
        set("name", variable.empty() ? reg_ : fmt::format("{} ({})", variable, reg_));
        set("origin", path_.origin_function.empty() ? "" : path_.origin_function + "()");
        if (path_.origin >= 0) {
            const LogEvent& origin = history_.event(path_.origin);
            if (path_.origin_function.empty()) set("origin", fmt::format("\"{}\"", origin.text));
            if (const std::uint32_t number = history_.line_of(origin).line)
                set("origin_line", std::to_string(number));
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
    }

    // Figures that follow from those of the complaint, and where the fault lies.
    void derive() {
        acquisition(facts_);
        const std::int64_t off = number_in(facts_, "off"), size = number_in(facts_, "size");
        if (has(facts_, "off") && has(facts_, "size")) {
            set("end", std::to_string(off + size));
            if (has(facts_, "limit")) {
                const std::int64_t limit = number_in(facts_, "limit");
                set("over", std::to_string(off < 0 ? -off : off + size - limit));
                // What the index counts begins where the pointer stood before it was moved.
                const std::int64_t begin = first_element_;
                if (size > 0 && begin >= 0 && begin < limit && (limit - begin) % size == 0)
                    set("entries", std::to_string((limit - begin) / size));
            }
        }
        if (off < 0) set("depth", std::to_string(-off));
        if (has(facts_, "var_off")) derive_alignment(off);
        // Behind a variable header the packet's begin is no measure; the pointer itself is.
        if (number_in(facts_, "id") != 0 && facts_.contains("at") && has(facts_, "var")) {
            set("pointer", facts_["var"]);
            set("data_end", "data_end");
            set("end", std::to_string(code_.offset + size));
        }
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
        if (last_ >= 0) set("ctx", has(facts_, "ctx") ? facts_["ctx"] : "ctx");
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
        return {};
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
            facts_["range"] = label(
                "from_to", {{"from", std::to_string(range->first)}, {"to", std::to_string(range->second)}});
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
            if (auto begin = context_.lines->begin_of(out_.program)) out_.at = *begin;
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
