// SPDX-License-Identifier: Apache-2.0
#include "verifier/log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

#include "base/text.h"

namespace waggle::kernel {
namespace {

constexpr std::string_view unsized_argument = "arg#0 reference type('UNKNOWN ')";

// Lines that tell how the verifier works, not what it found.
constexpr std::array<std::string_view, 24> noise = {"mark_precise:",
                                                    "last_idx ",
                                                    "regs=",
                                                    "parent ",
                                                    "func#",
                                                    "propagating ",
                                                    "caller",
                                                    "callee",
                                                    "returning from callee",
                                                    "to caller at ",
                                                    "Func#",
                                                    "Validating ",
                                                    "verification time ",
                                                    "insns processed",
                                                    "cur state:",
                                                    "old state:",
                                                    "Live regs before insn:",
                                                    "reg type unsupported for arg#",
                                                    "BPF program load failed",
                                                    unsized_argument,
                                                    "permission error while running as root",
                                                    "-- ",
                                                    "max_states",
                                                    "marking "};

bool is_noise(std::string_view line) {
    if (std::any_of(noise.begin(), noise.end(),
                    [&](std::string_view word) { return line.starts_with(word); }))
        return true;
    if (line.starts_with("func '") && line.find(" has btf_id ") != std::string_view::npos) return true;
    // "frame 0: propagating r1", "frame1: parent state regs=…" of precision tracking.
    return line.starts_with("frame") && (line.find("propagating") != std::string_view::npos ||
                                         line.find("regs=") != std::string_view::npos);
}

// "      7: 0.....6... (bf) r7 = r0": which registers are still needed, one character each.
bool is_liveness(std::string_view line) {
    std::string_view rest = trim(line);
    if (!take_number(rest) || !rest.starts_with(": ")) return false;
    rest = rest.substr(2, 10);
    return rest.size() == 10 && rest.find_first_not_of(".0123456789") == std::string_view::npos;
}

bool begins_state(std::string_view text) {
    text = trim(text);
    if (text.starts_with("frame")) {
        const std::size_t colon = text.find(": ");
        if (colon > 9) return false;  // npos is, too
        text = trim(text.substr(colon + 2));
    }
    if (text.starts_with("fp-") || text.starts_with("refs=")) return text.find('=') != std::string_view::npos;
    if (text.size() < 3 || text[0] != 'R' || !is_digit(text[1])) return false;
    const std::size_t end = text.find_first_of("= ");
    return end < 8 && text[end] == '=';  // npos is not
}

// Where in "call bpf_loop#181 11: frame1: R1=scalar()" the state begins: the kernel puts it behind an
// instruction that jumps. npos: nowhere.
std::size_t state_behind(std::string_view text) {
    constexpr std::size_t longest_instruction = 256;
    const std::string_view head = text.substr(0, longest_instruction);
    for (std::size_t colon = head.find(": "); colon != std::string_view::npos;
         colon = head.find(": ", colon + 1)) {
        std::size_t begin = colon;
        while (begin > 0 && is_digit(text[begin - 1])) --begin;
        if (begin < colon && begin > 0 && text[begin - 1] == ' ' && begins_state(text.substr(colon + 2)))
            return begin;
    }
    return std::string_view::npos;
}

// Takes "frame1: " off; 0 where there is none.
std::uint32_t take_frame(std::string_view& text) {
    text = trim(text);
    if (!text.starts_with("frame")) return 0;
    std::string_view rest = text.substr(5);
    const auto number = take_number(rest);
    if (!number || !rest.starts_with(":")) return 0;
    text = trim(rest.substr(1));
    return static_cast<std::uint32_t>(*number);
}

class Reader {
  public:
    VerifierLog out;

    void line(std::string_view raw) {
        std::string_view line = raw;
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
        if (line.starts_with("libbpf: ")) line.remove_prefix(8);
        if (line.find("-- BEGIN PROG LOAD LOG --") != std::string_view::npos) {
            restart();
            out.program = quoted_program(line);
            inside_ = true;
            return;
        }
        if (line.starts_with("-- END PROG LOAD LOG --")) {
            inside_ = false;
            done_ = true;
            return;
        }
        if (line.empty() || (done_ && !inside_)) return;
        // Some complaints lack their newline.
        const std::size_t summary = line.find("processed ");
        if (summary != std::string_view::npos && summary > 0 &&
            line.substr(summary).find(" insns (limit ") != std::string_view::npos) {
            read(line.substr(0, summary));
            line.remove_prefix(summary);
        }
        read(line);
    }

  private:
    bool inside_ = false;
    bool done_ = false;
    bool complained_ = false;
    std::string_view unsized_;  // a remark that can be the reason
    int last_ = -1;
    std::uint32_t frame_ = 0;
    std::string_view source_, source_file_;
    std::uint32_t source_line_ = 0;
    std::vector<NamedState> pending_;
    std::unordered_map<std::uint32_t, int> latest_;  // instruction: its last event

    void restart() {
        out = {};
        done_ = complained_ = false;
        last_ = -1;
        frame_ = 0;
        source_ = source_file_ = {};
        source_line_ = 0;
        pending_.clear();
        latest_.clear();
    }

    static std::string_view quoted_program(std::string_view line) {
        const std::size_t at = line.find("prog '");
        if (at == std::string_view::npos) return {};
        const std::string_view rest = line.substr(at + 6);
        return rest.substr(0, rest.find('\''));
    }

    void read(std::string_view line) {
        if (line.starts_with("; ")) return source(line.substr(2));
        if (line.starts_with("processed ")) {
            out.processed = line;
            out.from_verifier = true;
            return;
        }
        if (line.starts_with("stack depth ")) {
            out.stack_depth = line.substr(12);
            return;
        }
        if (line.starts_with("verification time ")) out.time_us = line.substr(18);
        if (line.starts_with("from ") && branch(line)) return;
        if (is_digit(line[0]) && numbered(line)) return;
        if (begins_state(line)) return state(line);
        if (line.starts_with("Func#")) global_call(line);
        if (line.starts_with(unsized_argument)) unsized_ = line;
        if (is_noise(trim(line)) || is_liveness(line)) return;
        // At the begin of a log it is a remark; right before this it is the reason.
        if (line.starts_with("Caller passes invalid args") && !unsized_.empty())
            out.complaints.push_back(unsized_);
        if (line.find("BPF program load failed") != std::string_view::npos ||
            line.find("failed to load object") != std::string_view::npos ||
            line.find("failed to load BPF skeleton") != std::string_view::npos)
            return;
        if (line.starts_with("prog '") && line.find("failed to load: ") != std::string_view::npos) return;
        if (line.starts_with("prog '") && line.find("': ") != std::string_view::npos) {
            if (out.program.empty()) out.program = quoted_program(line);
            line = line.substr(line.find("': ") + 3);
        }
        complained_ = true;
        if (std::find(out.complaints.begin(), out.complaints.end(), line) != out.complaints.end()) return;
        if (out.complaints.size() < 64) out.complaints.push_back(line);
    }

    // "Func#1 ('grow') is global and assumed valid."
    void global_call(std::string_view line) {
        const std::size_t begin = line.find("('"), end = line.find("')");
        if (last_ >= 0 && begin != std::string_view::npos && end != std::string_view::npos && end > begin)
            out.events[static_cast<std::size_t>(last_)].called = line.substr(begin + 2, end - begin - 2);
    }

    // "; if (x)" or, from 6.8 on, "; if (x) @ drops.bpf.c:12"
    void source(std::string_view text) {
        source_file_ = {};
        source_line_ = 0;
        const std::size_t at = text.rfind(" @ ");
        if (at != std::string_view::npos) {
            const std::string_view place = text.substr(at + 3);
            const std::size_t colon = place.rfind(':');
            std::string_view number = colon == std::string_view::npos ? "" : place.substr(colon + 1);
            if (const auto parsed = take_number(number); parsed && number.empty() && *parsed > 0) {
                source_file_ = place.substr(0, colon);
                source_line_ = static_cast<std::uint32_t>(*parsed);
                text = text.substr(0, at);
            }
        }
        source_ = trim(text);
    }

    // "from 4 to 7: R0=0 …", "from 4 to 7 (speculative execution): …", "from 4 to 7: safe"
    bool branch(std::string_view line) {
        std::string_view rest = line.substr(5);
        const auto from = take_number(rest);
        if (!from || !rest.starts_with(" to ")) return false;
        const std::size_t colon = rest.find(':');
        if (colon == std::string_view::npos) return false;
        std::string_view states = trim(rest.substr(colon + 1));
        if (states == "safe") return true;
        out.from_verifier = true;
        const auto found = latest_.find(static_cast<std::uint32_t>(*from));
        last_ = found == latest_.end() ? -1 : found->second;
        frame_ = take_frame(states);
        pending_ = read_states(states);
        return true;
    }

    // "5: (79) r0 = …", "5: R1=ctx() …", "5: safe"
    bool numbered(std::string_view line) {
        std::string_view rest = line;
        const auto insn = take_number(rest);
        if (!insn || !rest.starts_with(":")) return false;
        rest = trim(rest.substr(1));
        if (rest == "safe") return true;
        if (begins_state(rest)) {
            complained_ = false;  // the path goes on: what was said before was a remark
            out.complaints.clear();
            state(rest);
            return true;
        }
        if (rest.size() < 5 || rest[0] != '(' || rest[3] != ')') return false;
        out.from_verifier = true;
        unsized_ = {};
        // What was said before further instructions was not the end.
        if (complained_) out.complaints.clear();
        complained_ = false;
        LogEvent event;
        event.insn = static_cast<std::uint32_t>(*insn);
        const std::size_t semicolon = rest.find(';');
        event.text = trim(rest.substr(4, semicolon == std::string_view::npos ? semicolon : semicolon - 4));
        std::string_view target;  // the registers where it jumps to
        if (const std::size_t at = state_behind(event.text); at != std::string_view::npos) {
            target = event.text.substr(event.text.find(": ", at) + 2);
            event.text = trim(event.text.substr(0, at));
        }
        event.previous = last_;
        event.frame = event.after_frame = frame_;
        event.source = source_;
        event.source_file = source_file_;
        event.source_line = source_line_;
        event.before = std::move(pending_);
        pending_.clear();
        if (semicolon != std::string_view::npos) {
            std::string_view states = rest.substr(semicolon + 1);
            if (begins_state(states)) {
                event.frame = event.after_frame = frame_ = take_frame(states);
                event.after = read_states(states);
            }
        }
        last_ = static_cast<int>(out.events.size());
        latest_[event.insn] = last_;
        out.events.push_back(std::move(event));
        if (!target.empty()) {
            frame_ = take_frame(target);
            pending_ = read_states(target);
        }
        return true;
    }

    void state(std::string_view text) {
        if (complained_) return;
        const std::uint32_t frame = take_frame(text);
        std::vector<NamedState> states = read_states(text);
        frame_ = frame;
        // Full states repeat what is known; the newest word of each counts.
        if (last_ >= 0 && out.events[static_cast<std::size_t>(last_)].after_frame == frame &&
            pending_.empty() && out.events[static_cast<std::size_t>(last_)].after.empty())
            out.events[static_cast<std::size_t>(last_)].after = std::move(states);
        else
            pending_ = std::move(states);
    }
};

}  // namespace

std::optional<std::int64_t> take_number(std::string_view& text) {
    std::int64_t value = 0;
    std::string_view digits = text;
    const bool negative = digits.starts_with("-");
    if (negative || digits.starts_with("+")) digits.remove_prefix(1);
    const bool hex = digits.starts_with("0x");
    if (hex) digits.remove_prefix(2);
    std::uint64_t magnitude = 0;
    const auto [end, wrong] =
        std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, hex ? 16 : 10);
    if (wrong != std::errc{}) return std::nullopt;
    value = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
    text = text.substr(static_cast<std::size_t>(end - text.data()));
    return value;
}

std::vector<NamedState> read_states(std::string_view text) {
    std::vector<NamedState> out;
    std::size_t at = 0;
    while (at < text.size()) {
        while (at < text.size() && text[at] == ' ') ++at;
        std::size_t end = at;
        for (int depth = 0; end < text.size() && (depth > 0 || text[end] != ' '); ++end) {
            if (text[end] == '(') ++depth;
            if (text[end] == ')' && depth > 0) --depth;
        }
        const std::string_view part = text.substr(at, end - at);
        at = end;
        const std::size_t equals = part.find('=');
        if (equals == std::string_view::npos || equals == 0) continue;
        std::string_view name = part.substr(0, equals);
        name = name.substr(0, name.find('_'));  // _w, _r and _rw say how it was used
        out.push_back({name, part.substr(equals + 1)});
    }
    return out;
}

VerifierLog read_verifier_log(std::string_view text) {
    Reader reader;
    for (const std::string_view line : split(text, '\n')) reader.line(line);
    return std::move(reader.out);
}

}  // namespace waggle::kernel
