// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_conditions.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/text.h"

namespace waggle::sensors {
namespace {

using Alternative = std::vector<probe_condition>;  // all must hold
using Alternatives = std::vector<Alternative>;     // one must hold

constexpr std::size_t most_alternatives = 64;  // while they are put together

Alternatives both(const Alternatives& left, const Alternatives& right) {
    Alternatives out;
    for (const Alternative& a : left)
        for (const Alternative& b : right) {
            if (out.size() == most_alternatives) return out;
            out.push_back(a);
            out.back().insert(out.back().end(), b.begin(), b.end());
        }
    return out;
}

Alternatives either(Alternatives left, const Alternatives& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

struct Sign {
    std::string_view text;
    probe_comparison comparison, opposite;
};
constexpr Sign signs[] = {{"==", PROBE_EQUAL, PROBE_UNEQUAL},   {"!=", PROBE_UNEQUAL, PROBE_EQUAL},
                          {"<=", PROBE_AT_MOST, PROBE_MORE},    {">=", PROBE_AT_LEAST, PROBE_LESS},
                          {"<", PROBE_LESS, PROBE_AT_LEAST},    {">", PROBE_MORE, PROBE_AT_MOST},
                          {"&", PROBE_HAS_BIT, PROBE_LACKS_BIT}};

class Parser {
  public:
    Parser(std::string_view text, ProbeFields& fields) : text_(text), rest_(text), fields_(fields) {}

    Result<Alternatives> parse() {
        Result<Alternatives> out = any(false);
        if (out && !trim(rest_).empty()) return wrong(trim(rest_), "&& or || is wanted here");
        return out;
    }

  private:
    Error wrong(std::string_view at, std::string_view why) const {
        return Error{fmt::format("--filter: column {}: {}", at.data() - text_.data() + 1, why),
                     ErrorKind::usage};
    }
    bool take(std::string_view word) {
        const std::string_view begin = trim_begin();
        if (!begin.starts_with(word)) return false;
        rest_ = begin.substr(word.size());
        return true;
    }
    std::string_view trim_begin() const {
        std::string_view out = rest_;
        while (out.starts_with(' ')) out.remove_prefix(1);
        return out;
    }

    // What stands in a "!" is turned round: of !(a || b) both must not hold.
    Result<Alternatives> any(bool negated) {
        Result<Alternatives> out = all(negated);
        while (out && take("||")) {
            const Result<Alternatives> more = all(negated);
            if (!more) return more;
            *out = negated ? both(*out, *more) : either(std::move(*out), *more);
        }
        return out;
    }
    Result<Alternatives> all(bool negated) {
        Result<Alternatives> out = one(negated);
        while (out && take("&&")) {
            const Result<Alternatives> more = one(negated);
            if (!more) return more;
            *out = negated ? either(std::move(*out), *more) : both(*out, *more);
        }
        return out;
    }
    Result<Alternatives> one(bool negated) {
        if (take("!")) return one(!negated);
        if (take("(")) {
            Result<Alternatives> out = any(negated);
            if (out && !take(")")) return wrong(trim_begin(), ") is wanted here");
            return out;
        }
        const Result<probe_condition> condition = comparison(negated);
        if (!condition) return condition.error();
        return Alternatives{{*condition}};
    }

    // "path->dentry->d_name.name", "str(arg0)".
    std::string_view take_operand() {
        const std::string_view from = trim_begin();
        std::size_t end = 0;
        for (int depth = 0; end < from.size();) {
            if (from.substr(end).starts_with("->")) {
                end += 2;
            } else if (is_word(from[end]) || from[end] == '.' || depth > 0 || (from[end] == '(' && end > 0)) {
                depth += from[end] == '(' ? 1 : from[end] == ')' ? -1 : 0;
                ++end;
            } else {
                break;
            }
        }
        if (end == 0) end = std::min(from.find_first_of(" =<>&|)"), from.size());
        rest_ = from.substr(end);
        return from.substr(0, end);
    }

    Result<probe_condition> comparison(bool negated) {
        const std::string_view left = take_operand();
        if (left.empty()) return wrong(rest_, "a comparison is missing, as in len > 100");
        const std::string_view behind = trim_begin();
        const auto* sign =
            std::ranges::find_if(signs, [&](const Sign& each) { return behind.starts_with(each.text); });
        if (sign == std::end(signs) || behind.starts_with("&&"))
            return wrong(left, "no comparison; there are == != < <= > >= and &");
        rest_ = behind.substr(sign->text.size());
        const Result<const ProbeField*> field = fields_.need(left);
        if (!field) return wrong(left, field.error().message);
        probe_condition condition{};
        condition.figure = (*field)->figure;
        condition.comparison = negated ? sign->opposite : sign->comparison;
        using Shape = ProbeField::Shape;
        const auto read = (*field)->shape == Shape::text ? take_text(left, *sign, condition)
                          : (*field)->is_text()
                              ? Result<void>(wrong(left, fmt::format("{} is no number", left)))
                              : take_number(left, *sign, **field, condition);
        if (!read) return read.error();
        return condition;
    }

    std::string_view take_word() {
        const std::string_view from = trim_begin();
        const std::size_t end = std::min(from.find_first_of(" &|)"), from.size());
        rest_ = from.substr(end);
        return from.substr(0, end);
    }

    Result<void> take_number(std::string_view left, const Sign& sign, const ProbeField& field,
                             probe_condition& condition) {
        const std::string_view right = take_word();
        const auto named = std::ranges::find(field.names, right,
                                             [](const auto& each) { return std::string_view(each.second); });
        const auto flag = std::ranges::find(field.flags, right,
                                            [](const auto& each) { return std::string_view(each.second); });
        if (named != field.names.end()) {
            condition.value = named->first;
            return {};
        }
        if (flag != field.flags.end()) {
            condition.value = flag->first;
            return {};
        }
        const bool negative = right.starts_with('-');
        const std::string_view digits = right.substr(negative ? 1 : 0);
        const bool hex = digits.starts_with("0x");
        const char* end = digits.data() + digits.size();
        const auto read = std::from_chars(digits.data() + (hex ? 2 : 0), end, condition.value, hex ? 16 : 10);
        if (read.ec != std::errc() || read.ptr != end || digits.empty())
            return wrong(right.empty() ? left : right,
                         fmt::format("a number is wanted behind {}", sign.text));
        if (negative) condition.value = -condition.value;
        return {};
    }

    Result<void> take_text(std::string_view left, const Sign& sign, probe_condition& condition) {
        if (sign.comparison != PROBE_EQUAL && sign.comparison != PROBE_UNEQUAL)
            return wrong(left, fmt::format("{} is a text; there are == and != for it", left));
        const std::string_view from = trim_begin();
        std::string_view pattern;
        if (from.starts_with('"') || from.starts_with('\'')) {
            const std::size_t close = from.find(from.front(), 1);
            if (close == std::string_view::npos) return wrong(from, "the text has no end");
            pattern = from.substr(1, close - 1);
            rest_ = from.substr(close + 1);
        } else {
            pattern = take_word();
            if (pattern.empty()) return wrong(left, fmt::format("a text is wanted behind {}", sign.text));
        }
        const std::string_view whole = pattern;
        const bool begin = pattern.starts_with('*');
        if (begin) pattern.remove_prefix(1);
        const bool end = pattern.ends_with('*') || (begin && pattern.empty());
        if (pattern.ends_with('*')) pattern.remove_suffix(1);
        if (pattern.find('*') != std::string_view::npos)
            return wrong(whole, "a * stands at the begin or at the end");
        if (pattern.size() >= PROBE_PATTERN_MAX)
            return wrong(
                whole, fmt::format("{} characters; {} are the most", pattern.size(), PROBE_PATTERN_MAX - 1));
        condition.match = begin && end ? PROBE_ANYWHERE : begin ? PROBE_END : end ? PROBE_BEGIN : PROBE_WHOLE;
        condition.length = static_cast<__u8>(pattern.size());
        std::memcpy(condition.pattern, pattern.data(), pattern.size());
        return {};
    }

    std::string_view text_, rest_;
    ProbeFields& fields_;
};

}  // namespace

Result<std::vector<probe_condition>> parse_conditions(std::string_view text, ProbeFields& fields) {
    const Result<Alternatives> alternatives = Parser(text, fields).parse();
    if (!alternatives) return alternatives.error();
    std::vector<probe_condition> out;
    for (const Alternative& each : *alternatives) {
        const std::size_t begin = out.size();
        out.insert(out.end(), each.begin(), each.end());
        out[begin].alternative = begin != 0;
    }
    if (out.size() > PROBE_CONDITIONS)
        return Error{fmt::format("--filter: {} comparisons{}; {} are the most", out.size(),
                                 alternatives->size() > 1 ? ", written out" : "", PROBE_CONDITIONS),
                     ErrorKind::usage};
    return out;
}

}  // namespace waggle::sensors
