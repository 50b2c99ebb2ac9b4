// SPDX-License-Identifier: Apache-2.0
// Text that came from outside, made safe and searchable.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/result.h"

namespace waggle {

// Control characters, escape sequences and invalid UTF-8 become \xNN (backslash: \\), so that no foreign name
// can move a cursor or forge a line. Everything a person reads passes through here.
std::string escape_control(std::string_view text);

// Edits (insert, delete, replace, swap) between two words, ignoring case.
std::size_t edit_distance(std::string_view a, std::string_view b);

// At most `most` of `known`, nearest to `word` first; only those near enough to be meant.
std::vector<std::string> nearest_words(std::string_view word, std::span<const std::string_view> known,
                                       std::size_t most = 3);

// `*` and `?` as in a shell, case-sensitive.
bool glob_match(std::string_view pattern, std::string_view text);

// ASCII only.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
}

std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);  // empty parts are kept
std::string to_lower(std::string_view text);
// names[number]; empty where there is none of that number.
std::string name_at(std::span<const std::string_view> names, std::uint64_t number);
// "0-3,5", as the kernel writes lists of processors: each number, in that order.
std::vector<int> numbers_of_list(std::string_view list);

// A whole file, at most `limit` bytes; the error names the path and the system's reason.
Result<std::string> read_file(const std::string& path, std::size_t limit = 64u << 20);

}  // namespace waggle
