// SPDX-License-Identifier: Apache-2.0
#include "verifier/expression.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace waggle::kernel {
namespace {

// Past the bracket that closes the one at `at`; the end where none does.
std::size_t past_bracket(std::string_view text, std::size_t at) {
    int depth = 0;
    for (; at < text.size(); ++at) {
        if (text[at] == '(' || text[at] == '[') ++depth;
        if ((text[at] == ')' || text[at] == ']') && --depth == 0) return at + 1;
    }
    return at;
}

// The begin of the bracket that ends at `at`.
std::size_t bracket_begin(std::string_view text, std::size_t at) {
    int depth = 0;
    for (std::size_t i = at + 1; i-- > 0;) {
        if (text[i] == ')' || text[i] == ']') ++depth;
        if ((text[i] == '(' || text[i] == '[') && --depth == 0) return i;
    }
    return at;
}

std::string_view word_ending_at(std::string_view text, std::size_t end) {
    std::size_t begin = end;
    while (begin > 0 && is_word(text[begin - 1])) --begin;
    return text.substr(begin, end - begin);
}

bool is_keyword(std::string_view word) {
    constexpr std::array<std::string_view, 12> keywords = {"return", "if",       "for",    "while",
                                                           "else",   "do",       "switch", "sizeof",
                                                           "static", "volatile", "asm",    "__asm__"};
    return std::find(keywords.begin(), keywords.end(), word) != keywords.end();
}

std::string_view statement(std::string_view line) {
    line = trim(line);
    if (const std::size_t comment = line.find("//"); comment != std::string_view::npos && comment > 0)
        line = trim(line.substr(0, comment));
    if (const std::size_t comment = line.rfind("/*");
        comment != std::string_view::npos && comment > 0 && line.ends_with("*/"))
        line = trim(line.substr(0, comment));
    while (!line.empty() && (line.back() == ';' || line.back() == '{'))
        line = trim(line.substr(0, line.size() - 1));
    return line;
}

}  // namespace

bool is_identifier(std::string_view text) {
    return !text.empty() && !is_digit(text[0]) && std::all_of(text.begin(), text.end(), is_word);
}

std::string_view expression_at(std::string_view line, std::uint32_t column) {
    if (column == 0 || column > line.size()) return statement(line);
    std::size_t begin = column - 1;
    const char first = line[begin];
    if (!is_word(first) && first != '*' && first != '&' && first != '(') return statement(line);
    std::size_t end = begin;
    if (is_word(first)) {
        // To the left along a.b, a->b and a[i].b; the column can lie inside a name.
        while (begin > 0) {
            const char before = line[begin - 1];
            if (is_word(before) || before == '.')
                --begin;
            else if (before == '>' && begin > 1 && line[begin - 2] == '-')
                begin -= 2;
            else if (before == ']' || (before == ')' && line[begin] != '(' && !is_word(line[begin])))
                begin = bracket_begin(line, begin - 1);
            else
                break;
        }
    } else {
        while (end < line.size() && (line[end] == '*' || line[end] == '&')) ++end;
        // A cast, and what it is applied to.
        while (end < line.size() && line[end] == '(') end = past_bracket(line, end);
    }
    while (end < line.size()) {
        if (is_word(line[end]) || line[end] == '.')
            ++end;
        else if (line[end] == '-' && end + 1 < line.size() && line[end + 1] == '>')
            end += 2;
        else if (line[end] == '(' || line[end] == '[')
            end = past_bracket(line, end);
        else
            break;
    }
    const std::string_view found = line.substr(begin, end - begin);
    // "return" and its kin say nothing; the statement does.
    if (is_keyword(found.substr(0, found.find('(')))) return statement(line);
    return found.empty() ? statement(line) : found;
}

namespace {

// Where the statement around `column` begins.
std::size_t statement_begin(std::string_view line, std::uint32_t column) {
    const std::size_t before = line.find_last_of(";{}", column - 1);
    return before == std::string_view::npos || before + 1 >= column ? 0 : before + 1;
}

// The part between commas that holds position `at`: "*n = f(a, b)" of "one = 1, *n = f(a, b)".
std::string_view declarator(std::string_view statement, std::size_t at) {
    std::size_t begin = 0, i = 0;
    for (int depth = 0; i < statement.size(); ++i) {
        if (statement[i] == '(' || statement[i] == '[') ++depth;
        if ((statement[i] == ')' || statement[i] == ']') && depth > 0) --depth;
        if (statement[i] != ',' || depth > 0) continue;
        if (i >= at) break;
        begin = i + 1;
    }
    return statement.substr(begin, i - begin);
}

// "a->b.c": nothing but names and members.
bool is_path(std::string_view text) {
    if (text.empty() || is_digit(text[0])) return false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text.substr(at).starts_with("->"))
            ++at;
        else if (!is_word(text[at]) && text[at] != '.')
            return false;
    }
    return true;
}

}  // namespace

std::string_view word_before(std::string_view line, std::size_t end) {
    const std::string_view word = word_ending_at(line, end);
    return is_identifier(word) ? word : std::string_view{};
}

std::string_view without_casts(std::string_view expression) {
    std::string_view rest = trim(expression);
    while (rest.starts_with("(")) {
        const std::size_t past = past_bracket(rest, 0);
        const std::string_view behind = trim(rest.substr(past));
        if (behind.empty() || !(is_word(behind[0]) || behind[0] == '(' || behind[0] == '&')) break;
        rest = behind;
    }
    return rest;
}

bool same_statement(std::string_view line, std::uint32_t column, std::uint32_t other) {
    if (column == 0 || other == 0 || column > line.size() || other > line.size()) return true;
    return statement_begin(line, column) == statement_begin(line, other);
}

std::string_view pointer_at(std::string_view line, std::uint32_t column) {
    if (column == 0 || column > line.size()) return {};
    std::string_view whole = expression_at(line, column);
    if (whole.starts_with("*")) {
        whole = trim(whole.substr(1));
        if (whole.starts_with("(") && past_bracket(whole, 0) == whole.size())
            whole = trim(whole.substr(1, whole.size() - 2));
        return whole.find_first_of("=;") == std::string_view::npos ? whole : std::string_view{};
    }
    if (!is_path(whole)) return {};
    // Up to the member that stands at the column.
    const auto begin = static_cast<std::size_t>(whole.data() - line.data());
    std::size_t end = column - 1;
    while (end < begin + whole.size() && is_word(line[end])) ++end;
    const std::string_view path = line.substr(begin, end - begin);
    const std::size_t arrow = path.rfind("->");
    return arrow == std::string_view::npos ? path : path.substr(0, arrow);
}

std::string address_at(std::string_view line, std::uint32_t column) {
    const std::string_view whole = expression_at(line, column), pointer = pointer_at(line, column);
    if (pointer.empty()) return {};
    if (whole.starts_with("*")) return std::string(pointer);
    return whole.find("->") == std::string_view::npos ? std::string() : "&" + std::string(whole);
}

std::string_view assigned_variable(std::string_view line, std::uint32_t column) {
    if (column > 0 && column <= line.size()) {
        const std::size_t begin = statement_begin(line, column);
        line = line.substr(begin, line.find(';', column - 1) - begin);
        line = declarator(line, column - 1 - begin);
    }
    for (std::size_t at = line.find('='); at != std::string_view::npos; at = line.find('=', at + 1)) {
        if (at + 1 < line.size() && line[at + 1] == '=') {
            ++at;
            continue;
        }
        if (at == 0 || std::string_view("=!<>+-*/%&|^").find(line[at - 1]) != std::string_view::npos)
            continue;
        std::size_t end = at;
        while (end > 0 && line[end - 1] == ' ') --end;
        const std::string_view word = word_ending_at(line, end);
        return is_identifier(word) ? word : std::string_view{};
    }
    return {};
}

std::string_view call_argument(std::string_view line, std::string_view function, int number) {
    std::size_t open = function.empty() ? line.find('(') : line.find(function);
    if (open == std::string_view::npos) return {};
    open = line.find('(', open);
    if (open == std::string_view::npos) return {};
    const std::size_t close = past_bracket(line, open);
    std::string_view inside = line.substr(open + 1, close - open - 1);
    if (inside.ends_with(")")) inside.remove_suffix(1);
    for (int i = 1;; ++i) {
        std::size_t end = 0;
        for (int depth = 0; end < inside.size() && (depth > 0 || inside[end] != ','); ++end) {
            if (inside[end] == '(' || inside[end] == '[') ++depth;
            if (inside[end] == ')' || inside[end] == ']') --depth;
        }
        if (i == number) return trim(inside.substr(0, end));
        if (end >= inside.size()) return {};
        inside.remove_prefix(end + 1);
    }
}

std::string with_argument(const std::string& text, std::string_view function, int number,
                          std::string_view given) {
    const std::string_view old = call_argument(text, function, number);
    if (old.empty()) return {};
    std::string out = text;
    out.replace(static_cast<std::size_t>(old.data() - text.data()), old.size(), given);
    return out;
}

namespace {

// Where "[i]" begins, with a variable inside; npos: nowhere.
std::size_t index_begin(std::string_view line) {
    std::size_t at = line.find('[');
    for (; at != std::string_view::npos; at = line.find('[', at + 1))
        if (is_identifier(trim(line.substr(at + 1, past_bracket(line, at) - at - 2)))) break;
    return at;
}

}  // namespace

std::string_view index_variable(std::string_view line) {
    const std::size_t at = index_begin(line);
    if (at == std::string_view::npos) return {};
    return trim(line.substr(at + 1, past_bracket(line, at) - at - 2));
}

std::string_view indexed_variable(std::string_view line) {
    const std::size_t at = index_begin(line);
    return at == std::string_view::npos ? std::string_view{} : word_before(line, at);
}

bool assigns(std::string_view statement) {
    for (std::size_t at = statement.find('='); at != std::string_view::npos;
         at = statement.find('=', at + 2)) {
        const bool compares =
            statement.substr(at).starts_with("==") ||
            (at > 0 && std::string_view("!<>").find(statement[at - 1]) != std::string_view::npos);
        if (!compares) return true;
    }
    return false;
}

std::string_view used_variable(std::string_view expression) {
    const std::string_view word = base_variable(expression);
    if (word.empty()) return {};
    const std::string_view behind =
        trim(expression.substr(static_cast<std::size_t>(word.data() - expression.data()) + word.size()));
    // "struct s *p = ...": a declaration begins with its type.
    return behind.starts_with("*") || (!behind.empty() && is_word(behind[0])) ? std::string_view{} : word;
}

std::string_view base_variable(std::string_view expression) {
    std::string_view rest = trim(expression);
    while (!rest.empty() && (rest[0] == '*' || rest[0] == '&' || rest[0] == '(')) {
        // Over a cast: "*(__u32 *)pointer".
        const std::size_t past = rest[0] == '(' ? past_bracket(rest, 0) : 1;
        if (rest[0] == '(' && past >= rest.size()) return {};
        rest = trim(rest.substr(past));
    }
    std::size_t end = 0;
    while (end < rest.size() && is_word(rest[end])) ++end;
    // A function's name is no variable.
    if (end < rest.size() && rest[end] == '(') return {};
    const std::string_view word = rest.substr(0, end);
    return is_identifier(word) && !is_keyword(word) ? word : std::string_view{};
}

bool calls_or_changes(std::string_view expression) {
    for (const std::string_view change : {"++", "--", "=", ";", "\"", "'"})
        if (expression.find(change) != std::string_view::npos) return true;
    for (std::size_t at = expression.find('('); at != std::string_view::npos;
         at = expression.find('(', at + 1))
        if (at > 0 && is_word(expression[at - 1])) return true;
    return false;
}

bool binds_weaker_than_comparison(std::string_view expression) {
    for (std::size_t at = expression.find_first_of("&|^?"); at != std::string_view::npos;
         at = expression.find_first_of("&|^?", at + 1)) {
        // What stands left of a binary operator is an operand: of "*(u64 *)&at" it is a cast.
        const std::string_view left = trim(expression.substr(0, at));
        if (!left.empty() && (is_word(left.back()) || left.back() == ']' ||
                              (left.back() == ')' && expression.substr(at + 1).starts_with(' '))))
            return true;
    }
    return false;
}

std::string replace_all(std::string text, std::string_view from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        const bool begins = at == 0 || (!is_word(text[at - 1]) && text[at - 1] != '.' &&
                                        !(at > 1 && text[at - 1] == '>' && text[at - 2] == '-'));
        const std::size_t end = at + from.size();
        const bool ends = end >= text.size() || !is_word(from.back()) || !is_word(text[end]);
        if (begins && ends)
            text.replace(at, from.size(), to);
        else
            at += from.size();
        if (at >= text.size()) break;
    }
    return text;
}

bool has_word(std::string_view text, std::string_view word) {
    return !word.empty() && replace_all(std::string(text), word, "") != text;
}

bool is_access(std::string_view expression, std::string_view line) {
    return !expression.empty() && expression.size() < line.size() &&
           (expression[0] == '*' || expression.find("->") != std::string_view::npos ||
            expression.find('[') != std::string_view::npos) &&
           !calls_or_changes(expression);
}

bool is_joined_assignment(std::string_view statement) {
    const std::size_t equals = statement.find('=');
    if (equals == std::string_view::npos || equals < 2 ||
        statement.find('=', equals + 1) != std::string_view::npos)
        return false;
    return std::string_view("+-*/%&|^").find(statement[equals - 1]) != std::string_view::npos &&
           statement.find_first_of("[*>", equals) == std::string_view::npos;
}

bool is_member_path(std::string_view expression) {
    return std::all_of(expression.begin(), expression.end(),
                       [](char c) {
                           return is_word(c) || std::string_view("->.").find(c) != std::string_view::npos;
                       }) &&
           expression.find("--") == std::string_view::npos && expression.find("++") == std::string_view::npos;
}

std::vector<std::string> accesses_like(std::string_view line, std::string_view expression) {
    std::vector<std::string> out{std::string(expression)};
    const std::size_t open = expression.rfind('[');
    if (open == std::string_view::npos || !expression.ends_with("]")) return out;
    const std::string head(expression.substr(0, open + 1));
    for (std::size_t at = line.find(head); at != std::string_view::npos; at = line.find(head, at + 1)) {
        const std::size_t close = line.find(']', at);
        if (close == std::string_view::npos) break;
        std::string other(line.substr(at, close + 1 - at));
        if (std::find(out.begin(), out.end(), other) == out.end() && !calls_or_changes(other) &&
            other.find('[', head.size()) == std::string::npos)
            out.push_back(std::move(other));
    }
    return out;
}

std::string_view type_of_width(std::string_view width) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> types = {{{"u8", "__u8"},
                                                                                     {"u16", "__u16"},
                                                                                     {"u32", "__u32"},
                                                                                     {"u64", "__u64"},
                                                                                     {"s8", "__s8"},
                                                                                     {"s16", "__s16"},
                                                                                     {"s32", "__s32"},
                                                                                     {"s64", "__s64"}}};
    for (const auto& [name, type] : types)
        if (name == width) return type;
    return {};
}

std::string address_of(std::string_view access) {
    return access.starts_with("*") ? std::string(access.substr(1)) : fmt::format("&({})", access);
}

}  // namespace waggle::kernel
