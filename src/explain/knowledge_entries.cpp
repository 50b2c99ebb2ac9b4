// SPDX-License-Identifier: Apache-2.0
#include "explain/knowledge_entries.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace waggle::explain {
namespace {

char plain_char(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c - 'A' + 'a');
    return c == ' ' || c == '-' ? '_' : c;
}

std::string_view first_line_of(std::string_view text) { return text.substr(0, text.find('\n')); }

std::string_view unquoted(std::string_view word) {
    if (word.size() >= 2 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front())
        return word.substr(1, word.size() - 2);
    return word;
}

// The key that stands at the beginning of a line, quotes included; empty where none does.
std::string_view key_of(std::string_view line) {
    if (line.empty() || line.front() == ' ' || line.front() == '#' || line.front() == '-' ||
        line.front() == '\t')
        return {};
    std::size_t from = 0;
    if (line.front() == '"' || line.front() == '\'') from = line.find(line.front(), 1);
    if (from == std::string_view::npos) return {};
    for (std::size_t colon = line.find(':', from); colon != std::string_view::npos;
         colon = line.find(':', colon + 1))
        if (colon + 1 == line.size() || line[colon + 1] == ' ' || line[colon + 1] == '\r')
            return line.substr(0, colon);
    return {};
}

// What follows "  key:" in an entry; its own key line is not looked at.
std::optional<std::string_view> part(std::string_view block, std::string_view key) {
    for (std::size_t at = block.find('\n'); at != std::string_view::npos; at = block.find('\n', at + 1)) {
        const std::string_view rest = block.substr(at + 1);
        const std::size_t indent = rest.find_first_not_of(' ');
        if (indent == 0 || indent == std::string_view::npos) continue;
        const std::string_view line = rest.substr(indent);
        if (line.starts_with(key) && line.size() > key.size() && line[key.size()] == ':')
            return line.substr(key.size() + 1);
    }
    return std::nullopt;
}

// The items of a list in brackets on the line of `key`; commas and brackets inside quotes are theirs. An escaped
// quote stays escaped.
std::vector<std::string_view> listed(std::string_view block, std::string_view key) {
    std::vector<std::string_view> out;
    const std::optional<std::string_view> list = part(block, key);
    if (!list) return out;
    const std::size_t open = list->find_first_not_of(' ');
    if (open == std::string_view::npos || (*list)[open] != '[') return out;
    const std::string_view rest = list->substr(open + 1);
    char quote = 0;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < rest.size(); ++at) {
        const char c = rest[at];
        if (quote == '"' && c == '\\') {
            ++at;
        } else if (quote != 0) {
            if (c == quote) quote = 0;
        } else if ((c == '"' || c == '\'') && trim(rest.substr(begin, at - begin)).empty()) {
            quote = c;
        } else if (c == ',' || c == ']') {
            if (const std::string_view item = unquoted(trim(rest.substr(begin, at - begin))); !item.empty())
                out.push_back(item);
            begin = at + 1;
            if (c == ']') break;
        }
    }
    return out;
}

}  // namespace

bool next_entry(std::string_view& rest, std::size_t& line, EntryBlock& block) {
    bool begun = false;
    const char* begin = rest.data();
    while (!rest.empty()) {
        const std::string_view text = first_line_of(rest);
        const std::string_view key = key_of(text);
        if (!key.empty()) {
            if (begun) break;
            begun = true;
            begin = rest.data();
            block.key = unquoted(key);
            block.first_line = line;
        }
        ++line;
        rest.remove_prefix(std::min(text.size() + 1, rest.size()));
    }
    if (!begun) return false;
    const auto length = static_cast<std::size_t>(rest.data() - begin);
    block.text = {begin, length};
    return true;
}

std::vector<std::string_view> EntryBlock::names() const { return listed(text, "names"); }
std::vector<std::string_view> EntryBlock::match() const { return listed(text, "match"); }
std::vector<std::string_view> EntryBlock::unless() const { return listed(text, "unless"); }

std::string_view EntryBlock::short_words() const {
    const std::optional<std::string_view> line = part(text, "short");
    return line ? unquoted(trim(first_line_of(*line))) : std::string_view();
}

std::optional<std::int64_t> EntryBlock::number() const {
    const std::optional<std::string_view> digits = part(text, "number");
    if (!digits) return std::nullopt;
    const std::string_view line = trim(first_line_of(*digits));
    std::int64_t value = 0;
    const auto [end, fault] = std::from_chars(line.data(), line.data() + line.size(), value);
    if (fault != std::errc{} || end == line.data()) return std::nullopt;
    return value;
}

bool EntryBlock::is_reference() const { return part(text, "is").has_value(); }

std::string plain_word(std::string_view word) {
    std::string out(trim(word));
    std::transform(out.begin(), out.end(), out.begin(), plain_char);
    return out;
}

bool is_plain_word(std::string_view word, std::string_view plain) {
    word = trim(word);
    return std::equal(word.begin(), word.end(), plain.begin(), plain.end(),
                      [](char a, char b) { return plain_char(a) == b; });
}

}  // namespace waggle::explain
