// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <fmt/core.h>

#include <charconv>

#include "base/text.h"

namespace waggle {
namespace {

// The quoted part that begins at the front, without its quotes; false where it does not end.
bool take_quoted(std::string_view& rest, std::string& word) {
    const bool escapes = rest.front() == '$';
    rest.remove_prefix(escapes ? 2 : 1);
    while (!rest.empty() && rest.front() != '\'') {
        if (!escapes || rest.front() != '\\') {
            word += rest.front();
            rest.remove_prefix(1);
        } else if (rest.size() >= 4 && rest[1] == 'x') {
            unsigned byte = 0;
            const auto [end, fault] = std::from_chars(rest.data() + 2, rest.data() + 4, byte, 16);
            if (fault != std::errc{} || end != rest.data() + 4) return false;
            word += static_cast<char>(byte);
            rest.remove_prefix(4);
        } else if (rest.size() >= 2) {
            word += rest[1];
            rest.remove_prefix(2);
        } else {
            return false;
        }
    }
    if (rest.empty()) return false;
    rest.remove_prefix(1);
    return true;
}

}  // namespace

std::string shell_word(std::string_view text) {
    static constexpr std::string_view plain =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (!text.empty() && text.find_first_not_of(plain) == std::string_view::npos) return std::string(text);
    std::string doubled;  // escape_control doubles backslashes
    for (const char c : text) doubled.append(c == '\\' ? 2 : 1, c);
    const bool printable = escape_control(text) == doubled;
    std::string out = printable ? "'" : "$'";
    for (const char c : text) {
        if (printable)
            out += c == '\'' ? std::string("'\\''") : std::string(1, c);
        else if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
            out += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out + "'";
}

std::string shell_line(std::span<const std::string> words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : " ") + shell_word(word);
    return out;
}

std::optional<std::vector<std::string>> words_of_shell_line(std::string_view line) {
    std::vector<std::string> words(1);
    for (std::string_view rest = line; !rest.empty();) {
        if (rest.front() == '\'' || rest.starts_with("$'")) {
            if (!take_quoted(rest, words.back())) return std::nullopt;
            continue;
        }
        if (rest.front() == ' ')
            words.emplace_back();
        else if (rest.front() == '\\' && rest.size() > 1)
            rest.remove_prefix(1), words.back() += rest.front();
        else
            words.back() += rest.front();
        rest.remove_prefix(1);
    }
    // What a shell would act on does not come back as it was.
    if (shell_line(words) != line) return std::nullopt;
    return words;
}

}  // namespace waggle
