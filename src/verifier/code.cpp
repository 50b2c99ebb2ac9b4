// SPDX-License-Identifier: Apache-2.0
#include "verifier/code.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.h"
#include "verifier/log.h"

namespace waggle::kernel {
namespace {

// "r12", "w3" at the begin: "R12". Shortens `text`.
std::string take_register(std::string_view& text) {
    if (text.size() < 2 || (text[0] != 'r' && text[0] != 'w') || !is_digit(text[1])) return {};
    std::size_t end = 1;
    while (end < text.size() && is_digit(text[end]) && end < 4) ++end;
    std::string name = "R" + std::string(text.substr(1, end - 1));
    text = trim(text.substr(end));
    return name;
}

// "*(u32 *)(r2 +8)": width, base and offset. Shortens `text`.
bool take_memory(std::string_view& text, Instruction& out) {
    if (!text.starts_with("*(")) return false;
    const std::size_t close = text.find(')');
    if (close == std::string_view::npos) return false;
    out.width = text.substr(2, close - 2);
    out.width = trim(out.width.substr(0, out.width.find('*')));
    std::string_view rest = text.substr(close + 1);
    if (!rest.starts_with("(")) return false;
    rest.remove_prefix(1);
    out.base = take_register(rest);
    if (out.base.empty()) return false;
    const auto offset = take_number(rest);
    if (!offset || !rest.starts_with(")")) return false;
    out.offset = *offset;
    text = trim(rest.substr(1));
    return true;
}

}  // namespace

std::string Instruction::slot() const {
    if (base != "R10" || offset >= 0) return {};
    return fmt::format("fp{}", offset);
}

Instruction decode(std::string_view text) {
    Instruction out;
    text = trim(text);
    if (text == "exit") {
        out.kind = Instruction::Kind::exit;
        return out;
    }
    if (text.starts_with("call ")) {
        std::string_view name = trim(text.substr(5));
        if (name.starts_with("pc")) {
            out.kind = Instruction::Kind::call_local;
            return out;
        }
        out.kind = Instruction::Kind::call;
        out.function = name.substr(0, name.find('#'));
        out.dest = "R0";
        return out;
    }
    if (text.starts_with("if ")) {
        std::string_view rest = text.substr(3);
        out.source = take_register(rest);
        const std::size_t blank = rest.find(' ');
        const std::size_t jump = rest.find(" goto ");
        if (out.source.empty() || blank == std::string_view::npos || jump == std::string_view::npos ||
            jump <= blank)
            return out;
        out.kind = Instruction::Kind::branch;
        out.operation = rest.substr(0, blank);
        out.operand = trim(rest.substr(blank, jump - blank));
        std::string_view other = out.operand;
        out.base = take_register(other);
        return out;
    }
    std::string_view rest = text;
    if (rest.starts_with("lock ")) rest.remove_prefix(5);
    if (take_memory(rest, out)) {
        const std::size_t equals = rest.find('=');
        if (equals == std::string_view::npos) return out;
        out.kind = Instruction::Kind::store;
        out.operand = trim(rest.substr(equals + 1));
        std::string_view value = out.operand;
        out.source = take_register(value);
        return out;
    }
    rest = text;
    out.dest = take_register(rest);
    if (out.dest.empty()) return out;
    const std::size_t blank = rest.find(' ');
    out.operation = rest.substr(0, blank);
    if (!out.operation.ends_with("=")) {
        out.dest.clear();
        return out;
    }
    std::string_view right = blank == std::string_view::npos ? std::string_view{} : trim(rest.substr(blank));
    out.operand = right;
    if (out.operation != "=") {
        out.kind = Instruction::Kind::arithmetic;
        out.source = take_register(right);
        return out;
    }
    if (take_memory(right, out)) {
        out.kind = Instruction::Kind::load;
        return out;
    }
    // Sign extension and byte order keep whose value it is.
    if (right.starts_with("(s")) right = trim(right.substr(std::min(right.find(')') + 1, right.size())));
    for (const std::string_view swap :
         {"be16 ", "be32 ", "be64 ", "le16 ", "le32 ", "le64 ", "bswap16 ", "bswap32 ", "bswap64 ", "-"})
        if (right.starts_with(swap)) right = trim(right.substr(swap.size()));
    out.source = take_register(right);
    out.kind = out.source.empty() ? Instruction::Kind::constant : Instruction::Kind::copy;
    return out;
}

std::optional<std::string_view> Held::part(std::string_view name) const {
    for (const auto& [key, value] : parts)
        if (key == name) return value;
    return std::nullopt;
}

std::int64_t Held::offset() const {
    std::string_view text = part("off").value_or("0");
    return take_number(text).value_or(0);
}

namespace {

std::optional<std::int64_t> first_of(const Held& held, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names)
        if (auto text = held.part(name)) {
            // "umin=umin32=4" says two at once.
            std::string_view value = *text;
            value = value.substr(value.rfind('=') == std::string_view::npos ? 0 : value.rfind('=') + 1);
            return take_number(value);
        }
    return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> Held::smallest() const {
    if (is_scalar() && number) return number;
    const auto least = first_of(*this, {"smin", "smin_value"});
    if (least) return least;
    const auto unsigned_least = first_of(*this, {"umin", "umin_value"});
    if (unsigned_least) return unsigned_least;
    // An upper bound below 2^63 without a lower one: nothing is below 0.
    return largest() ? std::optional<std::int64_t>(0) : std::nullopt;
}

std::optional<std::int64_t> Held::largest() const {
    if (is_scalar() && number) return number;
    const auto unsigned_most = first_of(*this, {"umax", "umax_value"});
    if (unsigned_most && *unsigned_most >= 0) return unsigned_most;
    const auto most = first_of(*this, {"smax", "smax_value"});
    if (most && part("smin") == std::nullopt && part("smin_value") == std::nullopt) return std::nullopt;
    return most;
}

Held read_held(std::string_view value) {
    Held out;
    if (value.starts_with("P")) value.remove_prefix(1);
    std::string_view number = value;
    if (const auto known = take_number(number); known && (number.empty() || number[0] == '(')) {
        out.kind = "scalar";
        out.number = known;
        return out;
    }
    const std::size_t open = value.find('(');
    out.kind = value.substr(0, open);
    if (out.kind.starts_with("fp")) {
        number = out.kind.substr(2);
        out.number = take_number(number);
        out.kind = "fp";
    }
    // Before 5.18 a number was called inv: "inv5", "invP(id=0,…)".
    if (out.kind.starts_with("inv")) {
        number = out.kind.substr(3);
        if (number.starts_with("P")) number.remove_prefix(1);
        out.number = take_number(number);
        out.kind = "scalar";
    }
    if (open == std::string_view::npos) return out;
    std::string_view inside = value.substr(open + 1);
    if (inside.ends_with(")")) inside.remove_suffix(1);
    std::size_t at = 0;
    while (at <= inside.size()) {
        std::size_t end = at;
        for (int depth = 0; end < inside.size() && (depth > 0 || inside[end] != ','); ++end) {
            if (inside[end] == '(') ++depth;
            if (inside[end] == ')' && depth > 0) --depth;
        }
        const std::string_view part = inside.substr(at, end - at);
        const std::size_t equals = part.find('=');
        if (equals != std::string_view::npos)
            // "smin=smin32=0" names one bound twice.
            out.parts.emplace_back(part.substr(0, equals), part.substr(equals + 1));
        else if (!part.empty())
            out.parts.emplace_back(part, std::string_view{});
        at = end + 1;
    }
    return out;
}

}  // namespace waggle::kernel
