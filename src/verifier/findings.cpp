// SPDX-License-Identifier: Apache-2.0
#include "verifier/findings.h"

#include "verifier/expression.h"
#include "verifier/figures.h"
#include "verifier/log.h"

namespace waggle::kernel {
namespace {

using Kind = Instruction::Kind;

constexpr int farthest_fault = 2'000;  // events looked at on the way back; each can ask for older states

std::string_view id_of(const Held& held) { return held.part("id").value_or("0"); }

// What the base of a load held, with the offset and the width: equal texts are equal places.
std::string place_of(const History& history, int load, const Instruction& code) {
    const std::string_view base = history.held_before(load, code.base);
    if (base.empty() || read_held(base).is_scalar()) return {};
    return std::string(base) + "+" + std::to_string(code.offset) + std::string(code.width);
}

}  // namespace

int inverted_packet_test(const History& history, int fault, std::string_view reg, std::int64_t needed) {
    const Held wanted = read_held(history.held_before(fault, reg));
    int found = -1, later = fault;
    for (int i = history.event(fault).previous, steps = 0; i >= 0 && steps < farthest_fault;
         later = i, i = history.event(i).previous, ++steps) {
        if (history.event(i).frame != history.event(fault).frame) continue;
        const Instruction code = decode(history.event(i).text);
        if (code.kind != Kind::branch || code.base.empty()) continue;
        const Held left = read_held(history.held_before(i, code.source));
        const Held right = read_held(history.held_before(i, code.base));
        const bool end_right = right.kind == "pkt_end";
        const Held& compared = end_right ? left : right;
        if ((!end_right && left.kind != "pkt_end") || !compared.is_packet() ||
            id_of(compared) != id_of(wanted))
            continue;
        const bool greater = code.operation.starts_with(">");
        const bool says_enough = greater == end_right ? !history.taken(i, later) : history.taken(i, later);
        if (says_enough) return -1;
        if (compared.offset() >= needed) found = i;
    }
    return found;
}

int test_before_reread(const History& history, int load) {
    if (load < 0) return -1;
    const std::string place = place_of(history, load, decode(history.event(load).text));
    if (place.empty()) return -1;
    int branch = -1;
    std::string tested;
    for (int i = history.event(load).previous, steps = 0; i >= 0 && steps < farthest_fault;
         i = history.event(i).previous, ++steps) {
        if (history.event(i).frame != history.event(load).frame) continue;
        const Instruction code = decode(history.event(i).text);
        if (code.kind == Kind::branch && code.base.empty()) {
            branch = i;
            tested = code.source;
        } else if (branch >= 0 && code.dest == tested) {
            const bool again = code.kind == Kind::load && place_of(history, i, code) == place;
            if (again) return branch;
            branch = -1;
        }
    }
    return -1;
}

bool calls_itself(const History& history, int index) {
    if (index < 0 || decode(history.event(index).text).kind != Kind::call_local) return false;
    const LogEvent& last = history.event(index);
    for (int i = last.previous, steps = 0; i >= 0 && steps < farthest_fault;
         i = history.event(i).previous, ++steps)
        if (history.event(i).insn == last.insn && history.event(i).frame < last.frame) return true;
    return false;
}

std::string context_name(const History& history, int last) {
    for (int i = last, steps = 0; i >= 0 && steps < farthest_fault; i = history.event(i).previous, ++steps) {
        constexpr int most_looked_up = 50;
        std::string line(history.event(i).source);
        if (line.empty() && steps < most_looked_up) line = history.line_of(history.event(i)).text;
        for (const std::string_view field : {"->data_end", "->data_meta", "->data;", "->data)", "->data,"}) {
            const std::size_t at = line.find(field);
            if (at == std::string_view::npos) continue;
            if (const std::string_view word = word_before(line, at); !word.empty()) return std::string(word);
        }
    }
    return {};
}

}  // namespace waggle::kernel
