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

std::vector<std::string_view> EntryBlock::names() const {
    std::vector<std::string_view> out;
    const std::optional<std::string_view> list = part(text, "names");
    if (!list) return out;
    const std::size_t open = list->find_first_not_of(' ');
    if (open == std::string_view::npos || (*list)[open] != '[') return out;
    std::string_view rest = list->substr(open + 1);
    rest = rest.substr(0, rest.find(']'));
    for (const std::string_view item : split(rest, ','))
        if (const std::string_view name = unquoted(trim(item)); !name.empty()) out.push_back(name);
    return out;
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
