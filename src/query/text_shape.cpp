// SPDX-License-Identifier: Apache-2.0
#include "query/text_shape.h"

#include <algorithm>

#include "base/text.h"

namespace waggle::explain {
namespace {

// By hand: <cctype> follows the locale, and a shape must not.
bool is_small(char c) { return c >= 'a' && c <= 'z'; }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter_or_digit(char c) { return is_digit(c) || is_small(c) || is_capital(c); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

constexpr std::size_t shortest_random = 6;  // mktemp makes 6 to 10

// How often the kind of character (digit, small, capital) changes from one to the next.
std::size_t changes_of_kind(std::string_view word) {
    const auto kind = [](char c) { return is_digit(c) ? 0 : is_small(c) ? 1 : 2; };
    std::size_t changes = 0;
    for (std::size_t i = 1; i < word.size(); ++i) changes += kind(word[i]) != kind(word[i - 1]) ? 1 : 0;
    return changes;
}

// "Xq3ZkP" but not "ServerName", "libssl3" or "x86_64": names people choose change their kind seldom.
bool looks_random(std::string_view word) {
    return word.size() >= shortest_random && changes_of_kind(word) * 2 >= word.size() - 1;
}

bool looks_hexadecimal(std::string_view word) {
    return word.size() >= shortest_random && std::ranges::all_of(word, is_hex) &&
           std::ranges::any_of(word, is_digit) &&
           (std::ranges::all_of(word, is_digit) || word.size() >= 7 || changes_of_kind(word) >= 2);
}

void add_number(std::string& shape) {
    // "12.5", "10:31:07", "6f1c-aa00": the parts of one number.
    while (shape.size() >= 2 && shape[shape.size() - 2] == '#' &&
           std::string_view(".:-,+T").find(shape.back()) != std::string_view::npos)
        shape.pop_back();
    if (!shape.ends_with('#')) shape += '#';
}

void add_word(std::string& shape, std::string_view word) {
    if (looks_hexadecimal(word) || std::ranges::all_of(word, is_digit)) return add_number(shape);
    if (looks_random(word)) {
        shape += '*';
        return;
    }
    for (std::size_t i = 0; i < word.size(); ++i)
        if (!is_digit(word[i]))
            shape += word[i];
        else if (i == 0 || !is_digit(word[i - 1]))
            shape += '#';
}

// A UUID's parts may hold letters alone, so it is known only as a whole.
std::size_t uuid_length(std::string_view text) {
    constexpr std::string_view pattern = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
    if (text.size() < pattern.size()) return 0;
    for (std::size_t i = 0; i < pattern.size(); ++i)
        if (pattern[i] == 'h' ? !is_hex(text[i]) : text[i] != pattern[i]) return 0;
    return text.size() == pattern.size() || !is_letter_or_digit(text[pattern.size()]) ? pattern.size() : 0;
}

}  // namespace

std::string text_shape(std::string_view text) {
    std::string shape;
    shape.reserve(text.size());
    while (!text.empty()) {
        if (const std::size_t length = uuid_length(text)) {
            add_number(shape);
            text.remove_prefix(length);
            continue;
        }
        const std::size_t length =
            static_cast<std::size_t>(std::ranges::find_if_not(text, is_letter_or_digit) - text.begin());
        if (length == 0) {
            shape += text.front();
            text.remove_prefix(1);
            continue;
        }
        add_word(shape, text.substr(0, length));
        text.remove_prefix(length);
    }
    return shape;
}

}  // namespace waggle::explain
