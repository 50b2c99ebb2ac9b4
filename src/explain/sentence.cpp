// SPDX-License-Identifier: Apache-2.0
#include "explain/sentence.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/shell.h"
#include "base/text.h"

namespace waggle::explain {

std::string Sentence::format(const Part& part, const Cell& cell) {
    if (cell.kind == Value::Kind::text || cell.kind == Value::Kind::blob || part.format == Format::text ||
        part.format == Format::raw)
        return escape_control(cell.as_text());
    const double value = cell.number();
    switch (part.format) {
        case Format::automatic:
            return format_number(value, part.place == Place::words ? part.unit : Unit::none);
        case Format::count:
            return format_number(value, Unit::count);
        case Format::bytes:
            return format_bytes(value);
        case Format::duration:
            return format_duration_ns(part.unit == Unit::seconds ? value * 1e9 : value);
        case Format::percent:
            return format_percent(value);
        case Format::rate:
            return format_rate(value);
        case Format::bytes_rate:
            return format_bytes(value) + "/s";
        case Format::text:
        case Format::raw:
        case Format::command:
        case Format::short_words:
        case Format::whole_words:
            break;
    }
    return {};
}

std::string Sentence::value_text(const Part& part, const Cell& cell) {
    // Integers are exact only as themselves: format_number would take them through a double.
    const bool exact =
        cell.kind == Value::Kind::integer && part.format == Format::automatic &&
        (part.place != Place::words || part.unit == Unit::none || part.unit == Unit::identifier);
    if (part.place != Place::command) return exact ? cell.as_text() : format(part, cell);
    if (exact || part.format == Format::raw || part.format == Format::text ||
        cell.kind == Value::Kind::text || cell.kind == Value::Kind::blob)
        return shell_word(cell.as_text());
    return shell_word(format(part, cell));
}

// False where a value is null that must be said.
bool Sentence::say_parts(std::span<const Part> parts, std::span<const Cell> row, const Knowledge* knowledge,
                         std::string_view number, std::string& out) {
    for (const Part& part : parts) {
        switch (part.what) {
            case What::literal:
                out += part.text;
                continue;
            case What::number:
                out += number;
                continue;
            case What::optional: {
                std::string said;
                if (say_parts(part.inside, row, knowledge, number, said)) out += said;
                continue;
            }
            case What::choice: {
                std::string said;
                const bool any =
                    std::any_of(part.choices.begin(), part.choices.end(), [&](const auto& alternative) {
                        said.clear();
                        return say_parts(alternative, row, knowledge, number, said);
                    });
                if (!any) return false;
                out += said;
                continue;
            }
            case What::value:
            case What::plural:
            case What::select:
                break;
        }
        if (part.column >= row.size() || row[part.column].is_null()) return false;
        const Cell& cell = row[part.column];
        if (part.what == What::select) {
            const std::string word = cell.as_text();
            const auto chosen = std::find_if(part.select.begin(), part.select.end(), [&](const auto& each) {
                return each.first == word || (&each == &part.select.back() && each.first == other_word);
            });
            if (chosen == part.select.end() || !say_parts(chosen->second, row, knowledge, {}, out))
                return false;
            continue;
        }
        if (part.format == Format::short_words || part.format == Format::whole_words) {
            std::string words;
            if (knowledge)
                words = part.format == Format::short_words ? knowledge->short_words(part.text, cell.as_text())
                                                           : knowledge->what(part.text, cell.as_text());
            if (words.empty()) return false;
            out += words;
            continue;
        }
        // A command line is said as one only where nothing in it would do more than name words.
        if (part.format == Format::command) {
            const std::string line = cell.as_text();
            if (!words_of_shell_line(line)) return false;
            out += line;
            continue;
        }
        const std::string text = value_text(part, cell);
        if (part.what == What::value) {
            out += text;
            continue;
        }
        // The form follows the number as it is printed: 1.2 printed as 1 is one.
        const std::string_view digits =
            std::string_view(text).substr(0, text.find_first_not_of("0123456789,."));
        std::uint64_t whole = 0;
        for (const char c : digits.substr(0, digits.find('.')))
            if (c != ',') whole = whole * 10 + static_cast<std::uint64_t>(c - '0');
        const Plural form = plural_of(part.language, whole, digits.find('.') != std::string_view::npos);
        const auto chosen = std::find_if(part.plural.begin(), part.plural.end() - 1,
                                         [&](const auto& each) { return each.first == form; });
        if (!say_parts(chosen->second, row, knowledge, text, out)) return false;
    }
    return true;
}

bool Sentence::needs_a_value(std::span<const Part> parts) {
    return std::any_of(parts.begin(), parts.end(), [](const Part& part) {
        switch (part.what) {
            case What::value:
            case What::plural:
            case What::select:
                return true;
            case What::choice:
                return std::all_of(part.choices.begin(), part.choices.end(),
                                   [](const auto& alternative) { return needs_a_value(alternative); });
            case What::literal:
            case What::number:
            case What::optional:
                break;
        }
        return false;
    });
}

std::optional<std::string> Sentence::say(std::span<const Cell> row, const Knowledge* knowledge) const {
    std::string out;
    if (!say_parts(parts_, row, knowledge, {}, out)) return std::nullopt;
    return out;
}

std::optional<std::string> say_first(const Sentences& alternatives, std::span<const Cell> row,
                                     const Knowledge* knowledge) {
    for (const Sentence& sentence : alternatives)
        if (std::optional<std::string> said = sentence.say(row, knowledge)) return said;
    return std::nullopt;
}

}  // namespace waggle::explain
