// SPDX-License-Identifier: Apache-2.0
#include "explain/lines/line_pattern.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/shell.h"
#include "base/text.h"
#include "explain/sentence.h"

namespace waggle::explain {
namespace {

constexpr std::size_t longest_line = 4096;  // the kernel's own are 1 KiB

bool blank(char c) { return c == ' ' || c == '\t'; }
bool is_alnum(char c) { return is_word(c) && c != '_'; }

class Matcher {
  public:
    // `begin`: of the whole text.
    Matcher(bool whole, const char* begin) : whole_(whole), begin_(begin) {}

    bool here(std::string_view pattern, std::string_view text) {
        if (steps_++ > most_steps) return false;
        if (pattern.empty()) return whole_ ? text.empty() : !splits_word(text);
        if (pattern.front() == '*') return anything(pattern.substr(1), text);
        if (pattern.front() == '{')
            if (const std::size_t end = pattern.find('}'); end != std::string_view::npos)
                return name(pattern.substr(1, end - 1), pattern.substr(end + 1), text);
        if (blank(pattern.front())) {
            const std::size_t run = std::find_if_not(text.begin(), text.end(), blank) - text.begin();
            const std::size_t wanted =
                std::find_if_not(pattern.begin(), pattern.end(), blank) - pattern.begin();
            return run > 0 && here(pattern.substr(wanted), text.substr(run));
        }
        return !text.empty() && lower(pattern.front()) == lower(text.front()) &&
               here(pattern.substr(1), text.substr(1));
    }

    Captures captures;

  private:
    static constexpr std::size_t most_steps = 200'000;  // a pattern cannot make a line take long
    bool whole_;
    const char* begin_;
    std::size_t steps_ = 0;

    // Whether the pattern's end would be in the middle of a word or a number.
    bool splits_word(std::string_view rest) const {
        return !rest.empty() && is_alnum(rest.front()) && rest.data() != begin_ &&
               is_alnum(*(rest.data() - 1));
    }

    bool anything(std::string_view pattern, std::string_view text) {
        for (std::size_t skip = 0; skip <= text.size(); ++skip)
            if (here(pattern, text.substr(skip))) return true;
        return false;
    }

    bool name(std::string_view name, std::string_view rest, std::string_view text) {
        const bool number = name.ends_with(":d");
        if (number) name.remove_suffix(2);
        std::size_t most = 0;
        while (most < text.size() && (number ? is_digit(text[most]) : !blank(text[most]))) ++most;
        // At the end a name takes all there is, without the sentence's own marks.
        if (rest.empty() && !number && !whole_)
            while (most > 1 && std::string_view(",.;:)]").find(text[most - 1]) != std::string_view::npos)
                --most;
        const std::size_t kept = captures.size();
        for (std::size_t i = 1; i <= most; ++i) {
            const std::size_t length = number || rest.empty() ? most - i + 1 : i;
            captures.emplace_back(std::string(name), std::string(text.substr(0, length)));
            if (here(rest, text.substr(length))) return true;
            captures.resize(kept);
        }
        return false;
    }
};

// sys_enter_{call}, hugetlb.{size}.max: letters, digits, _ and dots, and what stands for them.
bool is_of_a_name(std::string_view pattern) {
    bool inside = false;
    for (const char c : pattern) {
        if (c == '{') inside = true;
        if (!inside && !is_word(c) && c != '.') return false;
        if (c == '}') inside = false;
    }
    return true;
}

// The longest run of the pattern that stands in the text as it is.
std::string_view longest_literal(std::string_view pattern) {
    std::string_view longest;
    std::size_t begin = 0;
    const auto end_at = [&](std::size_t end, std::size_t next) {
        if (end > begin && end - begin > longest.size()) longest = pattern.substr(begin, end - begin);
        begin = next;
    };
    for (std::size_t at = 0; at < pattern.size(); ++at) {
        if (pattern[at] == '{') {
            const std::size_t close = pattern.find('}', at);
            if (close == std::string_view::npos) break;
            end_at(at, close + 1);
            at = close;
        } else if (pattern[at] == '*' || blank(pattern[at])) {
            end_at(at, at + 1);
        }
    }
    end_at(pattern.size(), pattern.size());
    return longest;
}

// Refuses nearly all lines at little cost.
bool holds_its_literal(std::string_view pattern, std::string_view text) {
    const std::string_view literal = longest_literal(pattern);
    return std::search(text.begin(), text.end(), literal.begin(), literal.end(),
                       [](char a, char b) { return lower(a) == lower(b); }) != text.end() ||
           literal.empty();
}

std::optional<std::uint64_t> hex_of(std::string_view name, const Captures& captures) {
    const auto found =
        std::find_if(captures.begin(), captures.end(), [&](const auto& each) { return each.first == name; });
    if (found == captures.end()) return std::nullopt;
    std::string_view text = found->second;
    if (text.starts_with("0x")) text.remove_prefix(2);
    std::uint64_t value = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (fault != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// {ip-start}: how far one address is behind another; in CAPITALS where one of them is not known.
std::optional<std::string> hex_difference(std::string_view name, const Captures& captures) {
    const std::size_t minus = name.find('-');
    if (minus == 0 || minus == std::string_view::npos || minus + 1 == name.size() ||
        !std::all_of(name.begin(), name.end(), [](char c) { return is_lower(c) || c == '_' || c == '-'; }))
        return std::nullopt;
    const auto from = hex_of(name.substr(0, minus), captures);
    const auto less = hex_of(name.substr(minus + 1), captures);
    if (from && less && *from >= *less) return fmt::format("0x{:x}", *from - *less);
    std::string capitals;
    for (const char c : name)
        capitals += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return capitals;
}

}  // namespace

std::optional<Captures> match_pattern(std::string_view pattern, std::string_view text) {
    text = trim(text).substr(0, longest_line);
    const bool whole = is_of_a_name(pattern);
    // What is no line cannot be one; a word of any length is refused at once.
    if (pattern.find(' ') != std::string_view::npos &&
        std::find_if(text.begin(), text.end(), blank) == text.end())
        return std::nullopt;
    if (!holds_its_literal(pattern, text)) return std::nullopt;
    for (std::size_t start = 0; start < text.size(); ++start) {
        // Nor does one begin in the middle of a word: "rc=" is not in "src=".
        if (start > 0 && !pattern.empty() && is_word(pattern.front()) && is_word(text[start - 1])) continue;
        Matcher matcher(whole, text.data());
        if (matcher.here(pattern, text.substr(start))) return std::move(matcher.captures);
        if (whole) break;
    }
    return std::nullopt;
}

std::string filled(std::string_view text, const Captures& captures, FillFor use) {
    std::string out;
    for (;;) {
        const std::size_t open = text.find('{');
        const std::size_t close = text.find('}', open);
        out += text.substr(0, open);
        if (close == std::string_view::npos)
            return open == std::string_view::npos ? out : out + std::string(text.substr(open));
        const std::string_view name = text.substr(open + 1, close - open - 1);
        if (const auto difference = hex_difference(name, captures)) {
            out += *difference;
            text.remove_prefix(close + 1);
            continue;
        }
        const bool is_name = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || c == '_';
        });
        const auto found = std::find_if(captures.begin(), captures.end(),
                                        [&](const auto& each) { return each.first == name; });
        // In a command it can stand inside quotes: what would need some of its own is left in CAPITALS.
        const bool fits =
            found != captures.end() && (use == FillFor::words || shell_word(found->second) == found->second);
        if (!is_name)
            out += text.substr(open, close - open + 1);
        else if (fits)
            out += escape_control(found->second);
        else
            for (const char c : name) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        text.remove_prefix(close + 1);
    }
}

}  // namespace waggle::explain
