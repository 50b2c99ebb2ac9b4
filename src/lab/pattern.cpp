// SPDX-License-Identifier: Apache-2.0
#include "lab/pattern.h"

#include <fmt/core.h>

#include <cctype>
#include <regex>

#include "base/nearest.h"
#include "base/text.h"
#include "query/sql_text.h"

namespace waggle::lab {
namespace {

std::string literal(std::string_view value) {
    std::string out;
    for (const char c : value) {
        if (std::string_view("^$\\.*+?()[]{}|/").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

struct Filled {
    std::string text;
    std::string unknown;  // the first name without a value
};

// Every ${name} replaced; `values` null: by a word that no text has.
Filled fill(std::string_view text, const Values* values) {
    Filled out;
    while (!text.empty()) {
        const std::size_t at = text.find("${");
        const std::size_t end = at == std::string_view::npos ? at : text.find('}', at);
        out.text += text.substr(0, end == std::string_view::npos ? text.size() : at);
        if (end == std::string_view::npos) break;
        const std::string_view name = text.substr(at + 2, end - at - 2);
        if (!values) {
            out.text += "value";
        } else if (const auto value = values->find(name); value != values->end()) {
            out.text += literal(value->second);
        } else if (out.unknown.empty()) {
            out.unknown = name;
        }
        text.remove_prefix(end + 1);
    }
    return out;
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

}  // namespace

std::string why_no_pattern(std::string_view text) {
    try {
        static_cast<void>(std::regex(fill(text, nullptr).text, std::regex::ECMAScript));
    } catch (const std::regex_error& wrong) {
        return wrong.what();
    }
    return {};
}

Result<std::optional<std::string>> first_match(const Pattern& pattern, const Values& values,
                                               const std::string& text) {
    const Filled filled = fill(pattern.text, &values);
    if (!filled.unknown.empty()) {
        std::vector<std::string_view> known;
        for (const auto& [name, value] : values) known.push_back(name);
        return Error{fmt::format("{}: inject did not say the value {}{}", pattern.at,
                                 escape_control(filled.unknown), did_you_mean(filled.unknown, known))};
    }
    try {
        std::smatch found;
        if (!std::regex_search(text, found, std::regex(filled.text, std::regex::ECMAScript)))
            return std::optional<std::string>{};
        return std::optional<std::string>(found.str());
    } catch (const std::regex_error& wrong) {
        return Error{fmt::format("{}: {}", pattern.at, wrong.what())};
    }
}

bool mentions(std::string_view text, std::string_view word) {
    if (word.empty()) return false;
    for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
        const std::size_t end = at + word.size();
        if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end]))) return true;
    }
    return false;
}

}  // namespace waggle::lab
