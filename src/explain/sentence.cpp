// SPDX-License-Identifier: Apache-2.0
#include "explain/sentence.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "explain/sql_text.h"

namespace waggle::explain {
namespace {

bool upper(char c) { return c >= 'A' && c <= 'Z'; }

// Follows a shell's quotes through a command, so that no value lands inside them: there waggle's own quoting
// would end them.
class ShellQuotes {
  public:
    void take(char c) {
        if (comment_) return;
        if (escaped_) {
            escaped_ = false;
        } else if (open_ == '\'') {
            if (c == '\'') open_ = 0;
        } else if (c == '\\') {
            escaped_ = true;
        } else if (open_ != 0) {
            if (c == open_) open_ = 0;
        } else if (c == '\'' || c == '"' || c == '`') {
            open_ = c;
        } else if (c == '#' && blank_) {
            comment_ = true;
        }
        blank_ = c == ' ' || c == '\t';
    }
    bool inside() const { return open_ != 0 || escaped_; }
    bool comment() const { return comment_; }
    void value() { blank_ = false; }

  private:
    char open_ = 0;
    bool escaped_ = false;
    bool comment_ = false;
    bool blank_ = true;
};

}  // namespace

bool is_spoken(std::string_view text) {
    text = trim(text);
    return text.size() > 1 && (upper(text.front()) || text.front() == '{') && text.back() == '.';
}

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

std::optional<Sentence::Fault> Sentence::parse(std::string_view text, Place place,
                                               std::span<const std::string> columns,
                                               std::vector<Part>& parts) {
    static constexpr std::array<std::pair<std::string_view, Format>, 8> formats = {{
        {"count", Format::count},
        {"bytes", Format::bytes},
        {"duration", Format::duration},
        {"percent", Format::percent},
        {"rate", Format::rate},
        {"bytes_rate", Format::bytes_rate},
        {"text", Format::text},
        {"raw", Format::raw},
    }};
    const bool command = place == Place::command && !is_spoken(text);
    ShellQuotes quotes;
    Part part;
    const auto literal = [&](char c) {
        part.literal += c;
        if (command) quotes.take(c);
    };
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if ((c == '{' || c == '}') && at + 1 < text.size() && text[at + 1] == c) {
            literal(c);
            ++at;
            continue;
        }
        if (c == '}') return Fault{at, "a } without its {; a brace that is meant is written }}"};
        if (c != '{') {
            literal(c);
            continue;
        }
        const std::size_t end = text.find('}', at);
        if (end == std::string_view::npos)
            return Fault{at, "a { without its }; a brace that is meant is written {{"};
        const std::string_view inside = text.substr(at + 1, end - at - 1);
        const std::size_t colon = inside.find(':');
        const std::string_view name = inside.substr(0, colon);
        const auto column = std::find(columns.begin(), columns.end(), name);
        if (column == columns.end()) {
            const std::vector<std::string_view> known(columns.begin(), columns.end());
            return Fault{at, fmt::format("`when` has no column {}{}", escape_control(name),
                                         did_you_mean(name, known))};
        }
        if (command && quotes.inside())
            return Fault{at,
                         fmt::format("{{{}}} stands inside quotes; waggle quotes values in commands itself",
                                     escape_control(inside))};
        part.value = true;
        part.column = static_cast<std::size_t>(column - columns.begin());
        part.unit = unit_of_name(name);
        part.place = command && !quotes.comment() ? Place::command
                     : place == Place::plain      ? Place::plain
                                                  : Place::words;
        if (colon != std::string_view::npos) {
            const std::string_view wanted = inside.substr(colon + 1);
            const auto known = std::find_if(formats.begin(), formats.end(),
                                            [&](const auto& f) { return f.first == wanted; });
            if (known == formats.end()) {
                std::vector<std::string_view> names;
                for (const auto& [format_name, unused] : formats) names.push_back(format_name);
                return Fault{at, fmt::format("unknown format {}{}", escape_control(wanted),
                                             did_you_mean(wanted, names))};
            }
            part.format = known->second;
        }
        quotes.value();
        parts.push_back(std::move(part));
        part = {};
        at = end;
    }
    if (command && quotes.inside()) return Fault{text.size() - 1, "a quote in this command is not closed"};
    if (!part.literal.empty()) parts.push_back(std::move(part));
    return std::nullopt;
}

std::optional<Sentence::Fault> Sentence::check(std::string_view text, Place place,
                                               std::span<const std::string> columns) {
    std::vector<Part> parts;
    return parse(text, place, columns, parts);
}

Sentence Sentence::make(std::string_view text, Place place, std::span<const std::string> columns) {
    Sentence sentence;
    if (parse(text, place, columns, sentence.parts_)) sentence.parts_.clear();
    return sentence;
}

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
            break;
    }
    return {};
}

std::optional<std::string> Sentence::say(std::span<const Cell> row) const {
    std::string out;
    for (const Part& part : parts_) {
        out += part.literal;
        if (!part.value) continue;
        if (part.column >= row.size() || row[part.column].is_null()) return std::nullopt;
        const Cell& cell = row[part.column];
        // Integers are exact only as themselves: format_number would take them through a double.
        const bool exact =
            cell.kind == Value::Kind::integer && part.format == Format::automatic &&
            (part.place != Place::words || part.unit == Unit::none || part.unit == Unit::identifier);
        if (part.place != Place::command)
            out += exact ? cell.as_text() : format(part, cell);
        else if (exact || part.format == Format::raw || part.format == Format::text ||
                 cell.kind == Value::Kind::text || cell.kind == Value::Kind::blob)
            out += shell_word(cell.as_text());
        else
            out += shell_word(format(part, cell));
    }
    return out;
}

std::optional<std::string> say_first(const Sentences& alternatives, std::span<const Cell> row) {
    for (const Sentence& sentence : alternatives)
        if (std::optional<std::string> said = sentence.say(row)) return said;
    return std::nullopt;
}

}  // namespace waggle::explain
