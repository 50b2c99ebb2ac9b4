// SPDX-License-Identifier: Apache-2.0
// The entries of one knowledge file, found by looking at the beginnings of lines; nothing is parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::explain {

// One entry: a key in column 0 and the indented lines under it. All views point into the file's text.
struct EntryBlock {
    std::string_view key;  // without quotes
    std::string_view text;
    std::size_t first_line = 1;

    std::vector<std::string_view> names() const;  // of its `names:` line
    std::vector<std::string_view> match() const;  // of its `match:` line
    std::vector<std::string_view> unless()
        const;                                   // of its `unless:` line: what fits one of them is not meant
    std::string_view short_words() const;        // of its `short:` line
    std::optional<std::int64_t> number() const;  // of its `number:` line
    bool is_reference() const;                   // has `is:`: another entry stands in its place
};

// Calls `visit(EntryBlock)` for each entry, in order. Keys that begin with _ are about the file itself.
template <class Visit>
void each_entry(std::string_view file, Visit&& visit);

// Splits off the first entry from `rest`, whose first line has number `line`; false at the end.
bool next_entry(std::string_view& rest, std::size_t& line, EntryBlock& block);

template <class Visit>
void each_entry(std::string_view file, Visit&& visit) {
    EntryBlock block;
    for (std::size_t line = 1; next_entry(file, line, block);) visit(block);
}

// Lower case, with _ for blanks and -: how words are compared.
std::string plain_word(std::string_view word);
// Whether plain_word(word) == plain, without making it.
bool is_plain_word(std::string_view word, std::string_view plain);

}  // namespace waggle::explain
