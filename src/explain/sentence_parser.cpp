// SPDX-License-Identifier: Apache-2.0
// How a sentence is read; sentence.cpp says it.
#include "explain/sentence.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/text.h"
#include "query/sql_text.h"

namespace waggle::explain {
namespace {

constexpr int most_parts_inside_each_other = 8;

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

// Reads one text. After the first fault nothing more is taken.
class SentenceParser {
  public:
    using Part = Sentence::Part;
    using What = Sentence::What;
    using Format = Sentence::Format;

    SentenceParser(std::string_view text, const Sentence::Form& form, int depth = 0)
        : text_(text), form_(form), depth_(depth), command_(form.place == Place::command) {}

    std::vector<Part> parse() {
        std::vector<Part> parts = parts_until('\0', false);
        if (command_ && quotes_.inside()) fail(text_.size() - 1, "a quote in this command is not closed");
        return parts;
    }
    const std::optional<Sentence::Fault>& fault() const { return fault_; }

  private:
    std::string_view text_;
    const Sentence::Form& form_;
    int depth_;  // inside so many parts
    bool command_;
    std::size_t at_ = 0;
    ShellQuotes quotes_;
    std::optional<Sentence::Fault> fault_;

    void fail(std::size_t at, std::string reason) {
        if (!fault_) fault_ = Sentence::Fault{at, std::move(reason)};
        at_ = text_.size();
    }
    bool more() const { return !fault_ && at_ < text_.size(); }
    bool doubled(char c) const { return text_[at_] == c && at_ + 1 < text_.size() && text_[at_ + 1] == c; }

    void literal(std::vector<Part>& parts, char c) {
        if (parts.empty() || parts.back().what != What::literal) parts.emplace_back();
        parts.back().text += c;
        if (!command_) return;
        quotes_.take(c);
        if (quotes_.comment()) fail(at_, "what follows # in a command stands in `why`");
    }

    // Up to the character that ends it, which is passed over; the whole rest where that is NUL.
    std::vector<Part> parts_until(char end, bool in_plural) {
        std::vector<Part> parts;
        const std::size_t begin = at_;
        while (more()) {
            const char c = text_[at_];
            const bool bracket = c == '[' || c == ']';
            // Two closing ones where one is open are two ends.
            if ((c == '{' || c == '}' || bracket) && c != end && doubled(c)) {
                literal(parts, c);
                at_ += 2;
            } else if (c == end) {
                ++at_;
                return parts;
            } else if (c == '}') {
                fail(at_, "a } without its {; a brace that is meant is written }}");
            } else if (bracket && c == ']') {
                fail(at_, "a ] without its [; a bracket that is meant is written ]]");
            } else if (bracket) {
                optional(parts);
            } else if (c == '{') {
                value(parts);
            } else if (c == '#' && in_plural) {
                Part number;
                number.what = What::number;
                parts.push_back(std::move(number));
                ++at_;
            } else {
                literal(parts, c);
                ++at_;
            }
        }
        if (end == ']') fail(begin - 1, "a [ without its ]; a bracket that is meant is written [[");
        if (end == '}') fail(begin - 1, "a { without its }; a brace that is meant is written {{");
        return parts;
    }

    static bool names_a_value(std::span<const Part> parts) {
        return std::any_of(parts.begin(), parts.end(), [](const Part& part) {
            return part.what == What::value || part.what == What::plural || part.what == What::choice ||
                   part.what == What::select || names_a_value(part.inside);
        });
    }

    void optional(std::vector<Part>& parts) {
        const std::size_t begin = at_++;
        Part part;
        part.what = What::optional;
        part.inside = parts_until(']', false);
        if (!names_a_value(part.inside))
            fail(begin,
                 "[ ] holds no value, so it would always be said; a bracket that is meant is written [[");
        parts.push_back(std::move(part));
    }

    std::optional<std::size_t> column_named(std::string_view name) const {
        const auto at = [&](auto columns) -> std::optional<std::size_t> {
            const auto found = std::find(columns.begin(), columns.end(), name);
            if (found == columns.end()) return std::nullopt;
            return static_cast<std::size_t>(found - columns.begin());
        };
        if (!form_.named) return at(form_.columns);
        if (const auto known = at(std::span<const std::string>(*form_.named))) return known;
        form_.named->emplace_back(name);
        return form_.named->size() - 1;
    }

    // {name}, {name:format}, {name, plural, one {...} other {...}} and {name, select, this {...} other {...}}
    void value(std::vector<Part>& parts) {
        const std::size_t begin = at_;
        const std::size_t end = text_.find_first_of("},", begin);
        if (end == std::string_view::npos)
            return fail(begin, "a { without its }; a brace that is meant is written {{");
        const std::string_view inside = text_.substr(begin + 1, end - begin - 1);
        if (inside.starts_with('>') && text_[end] == '}') {
            at_ = end + 1;
            return choice(begin, trim(inside.substr(1)), parts);
        }
        const std::size_t colon = inside.find(':', 1);
        const std::string_view name = trim(inside.substr(0, colon));
        const std::optional<std::size_t> column = column_named(name);
        if (!column) {
            const std::vector<std::string_view> known(form_.columns.begin(), form_.columns.end());
            return fail(begin, fmt::format("`when` has no column {}{}", escape_control(name),
                                           did_you_mean(name, known)));
        }
        if (command_ && quotes_.inside())
            return fail(begin,
                        fmt::format("{{{}}} stands inside quotes; waggle quotes values in commands itself",
                                    escape_control(inside)));
        Part part;
        part.what = What::value;
        part.column = *column;
        part.unit = form_.named || form_.units.empty() ? unit_of_name(name) : form_.units[part.column];
        part.place = form_.place;
        if (colon != std::string_view::npos) format(begin, trim(inside.substr(colon + 1)), name, part);
        quotes_.value();
        at_ = end + 1;
        if (!fault_ && text_[end] == ',') plural_or_select(begin, part);
        parts.push_back(std::move(part));
    }

    // {>name}
    void choice(std::size_t begin, std::string_view name, std::vector<Part>& parts) {
        static const SentenceParts none;
        const SentenceParts& known = form_.parts ? *form_.parts : none;
        const auto found = known.find(name);
        if (found == known.end()) {
            std::vector<std::string_view> names;
            for (const auto& [each, unused] : known) names.push_back(each);
            return fail(begin, fmt::format("no part of sentences is called {}{}", escape_control(name),
                                           did_you_mean(name, names)));
        }
        if (command_) return fail(begin, "a command has no parts; they stand in words only");
        if (depth_ == most_parts_inside_each_other)
            return fail(begin, fmt::format("part {} stands too deep inside other parts, or in itself", name));
        Part part;
        part.what = What::choice;
        for (const std::string& alternative : found->second) {
            SentenceParser inside(alternative, form_, depth_ + 1);
            part.choices.push_back(inside.parse());
            if (inside.fault()) return fail(begin, fmt::format("part {}: {}", name, inside.fault()->reason));
        }
        parts.push_back(std::move(part));
    }

    void format(std::size_t begin, std::string_view wanted, std::string_view column, Part& part) {
        static constexpr std::array<std::pair<std::string_view, Format>, 9> formats = {{
            {"count", Format::count},
            {"bytes", Format::bytes},
            {"duration", Format::duration},
            {"percent", Format::percent},
            {"rate", Format::rate},
            {"bytes_rate", Format::bytes_rate},
            {"text", Format::text},
            {"raw", Format::raw},
            {"command", Format::command},
        }};
        for (const auto& [name, known] : formats)
            if (name == wanted) {
                part.format = known;
                return;
            }
        static constexpr std::array<std::pair<std::string_view, Format>, 2> of_knowledge = {
            {{"short", Format::short_words}, {"what", Format::whole_words}}};
        for (const auto& [name, known] : of_knowledge) {
            const bool with_kind = wanted.starts_with(fmt::format("{}(", name));
            if (wanted != name && !with_kind) continue;
            std::string_view kind = column;
            if (with_kind) {
                kind = wanted.substr(name.size() + 1);
                kind = kind.substr(0, kind.find(')'));
            }
            part.format = known;
            part.text = kind;
            if (std::find(form_.kinds.begin(), form_.kinds.end(), kind) == form_.kinds.end())
                fail(begin, fmt::format("the knowledge has no kind {}{}; write {{{}:{}(kind)}}",
                                        escape_control(kind), did_you_mean(kind, form_.kinds),
                                        escape_control(column), name));
            return;
        }
        std::vector<std::string_view> names;
        for (const auto& [name, unused] : formats) names.push_back(name);
        for (const auto& [name, unused] : of_knowledge) names.push_back(name);
        fail(begin, fmt::format("unknown format {}{}", escape_control(wanted), did_you_mean(wanted, names)));
    }

    void blanks() {
        while (more() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    }
    std::string_view word() {
        blanks();
        const std::size_t begin = at_;
        while (more() && text_[at_] >= 'a' && text_[at_] <= 'z') ++at_;
        return text_.substr(begin, at_ - begin);
    }

    void plural_or_select(std::size_t begin, Part& part) {
        const std::string_view kind = word();
        if (kind != "plural" && kind != "select")
            return fail(begin, "after the comma stands `plural` or `select`");
        if (kind == "plural" && command_)
            return fail(begin, "a command has no plural; it stands in words only");
        blanks();
        if (!more() || text_[at_++] != ',')
            return fail(begin, kind == "plural"
                                   ? "a plural is written {n, plural, one {# packet} other {# packets}}"
                                   : "a choice is written {x, select, READ {read} other {asked for}}");
        if (kind == "plural")
            plural(begin, part);
        else
            select(begin, part);
    }

    void select(std::size_t begin, Part& part) {
        part.what = What::select;
        for (blanks(); more() && text_[at_] != '}'; blanks()) {
            const std::size_t here = at_;
            while (more() && text_[at_] != '{' && text_[at_] != '}' && text_[at_] != ' ' &&
                   text_[at_] != '\n')
                ++at_;
            std::string name(text_.substr(here, at_ - here));
            blanks();
            if (name.empty() || !more() || text_[at_] != '{')
                return fail(here, "in a choice each word has its text in braces: READ {read}");
            if (std::any_of(part.select.begin(), part.select.end(),
                            [&](const auto& each) { return each.first == name; }))
                return fail(here, fmt::format("the choice has {} twice", escape_control(name)));
            ++at_;
            part.select.emplace_back(std::move(name), parts_until('}', false));
        }
        if (!more()) return fail(begin, "a choice without its }");
        ++at_;
        if (part.select.empty()) return fail(begin, "a choice without words to choose from");
        const auto other = std::find_if(part.select.begin(), part.select.end(),
                                        [](const auto& each) { return each.first == Sentence::other_word; });
        if (other != part.select.end()) std::rotate(other, other + 1, part.select.end());
    }

    void plural(std::size_t begin, Part& part) {
        part.what = What::plural;
        part.language = form_.language;
        for (blanks(); more() && text_[at_] != '}'; blanks()) {
            const std::size_t here = at_;
            const std::string_view name = word();
            const auto known = std::find(plural_names.begin(), plural_names.end(), name);
            if (known == plural_names.end())
                return fail(here,
                            fmt::format("a plural has the forms zero, one, two, few, many and other, not "
                                        "\"{}\"",
                                        escape_control(name)));
            blanks();
            if (!more() || text_[at_] != '{')
                return fail(here, fmt::format("behind `{}` stands its text in braces", name));
            ++at_;
            part.plural.emplace_back(static_cast<Plural>(known - plural_names.begin()),
                                     parts_until('}', true));
        }
        if (!more()) return fail(begin, "a plural without its }");
        ++at_;
        const auto other = std::find_if(part.plural.begin(), part.plural.end(),
                                        [](const auto& form) { return form.first == Plural::other; });
        if (other == part.plural.end()) return fail(begin, "a plural lacks the form `other`");
        std::rotate(other, other + 1, part.plural.end());
    }
};

std::optional<Sentence::Fault> Sentence::check(std::string_view text, const Form& form) {
    SentenceParser parser(text, form);
    parser.parse();
    return parser.fault();
}

std::optional<Sentence> Sentence::make(std::string_view text, const Form& form) {
    Sentence sentence;
    SentenceParser parser(text, form);
    sentence.parts_ = parser.parse();
    if (parser.fault()) return {};
    return sentence;
}

}  // namespace waggle::explain
