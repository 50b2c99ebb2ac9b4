// SPDX-License-Identifier: Apache-2.0
// Sentence: a text with {column} or {column:format} in it, filled from one row. What cannot be said because a
// value is null is not said. [ … ] is said only if every value in it is known; {n, plural, one {# packet} other
// {# packets}} chooses by a number, which # stands for; {operation, select, READ {read} WRITE {wrote}} chooses by
// a word, and is not said for one that is not among them; {signal:short} says the short words that the knowledge
// has for the value, {reason:what(drop_reason)} its whole sentence; {>from} stands for the part of that name,
// which many sentences share: of its alternatives the first that can be said. {{ }} [[ ]] stand for braces and
// brackets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "explain/knowledge.h"
#include "explain/plural.h"
#include "query/sql.h"

namespace waggle::explain {

// Where the sentence is said decides how values look.
enum class Place : std::uint8_t {
    words,    // for a person: 1,234 packets, 4.0 KiB, control characters escaped
    plain,    // names and identifiers: digits without grouping, control characters escaped
    command,  // for a shell: digits alone, everything unusual quoted
};

// Parts of sentences by name, each with its alternatives as written.
using SentenceParts = std::map<std::string, std::vector<std::string>, std::less<>>;

class Sentence {
  public:
    struct Fault {
        std::size_t offset;  // in the text
        std::string reason;
    };
    // How a text is to be read.
    struct Form {
        Place place = Place::words;
        std::span<const std::string> columns = {};  // of the row
        std::span<const Unit> units = {};           // of the columns, one for each
        std::string_view language = "en";
        std::span<const std::string_view> kinds = {};  // of knowledge, for :short
        const SentenceParts* parts = nullptr;          // for {>name}
        // Given: the row's columns are not known beforehand; each that is named is added here, and `columns`
        // and `units` are not looked at.
        std::vector<std::string>* named = nullptr;
    };
    // The first thing wrong with the text.
    static std::optional<Fault> check(std::string_view text, const Form& form);
    // Nothing where check() finds a fault.
    static std::optional<Sentence> make(std::string_view text, const Form& form);

    // Nothing where a value that it names is null.
    std::optional<std::string> say(std::span<const Cell> row, const Knowledge* knowledge = nullptr) const;
    // Whether there is a row of which it cannot be said: it names a value outside [ ].
    bool needs_a_value() const { return needs_a_value(parts_); }

  private:
    friend class SentenceParser;
    enum class Format : std::uint8_t {
        automatic,  // by the column's name
        count,
        bytes,
        duration,
        percent,
        rate,
        bytes_rate,
        text,
        raw,
        command,
        short_words,
        whole_words
    };
    static constexpr std::string_view other_word = "other";  // in a choice: all that is not named
    enum class What : std::uint8_t { literal, value, number, optional, plural, choice, select };
    struct Part {
        What what = What::literal;
        std::string text;        // literal: itself; value said in words of the knowledge: its kind
        std::size_t column = 0;  // value, plural and select
        Unit unit = Unit::none;
        Format format = Format::automatic;
        Place place = Place::words;
        std::vector<Part> inside;                                       // optional
        std::vector<std::vector<Part>> choices;                         // choice
        std::vector<std::pair<Plural, std::vector<Part>>> plural;       // the last is for all others
        std::string language;                                           // plural
        std::vector<std::pair<std::string, std::vector<Part>>> select;  // `other`, where there is one, last
    };
    static bool needs_a_value(std::span<const Part> parts);
    static std::string format(const Part& part, const Cell& cell);
    static std::string value_text(const Part& part, const Cell& cell);
    static bool say_parts(std::span<const Part> parts, std::span<const Cell> row, const Knowledge* knowledge,
                          std::string_view number, std::string& out);

    std::vector<Part> parts_;
};

// Alternatives, best first: the first that can be said is said.
using Sentences = std::vector<Sentence>;
std::optional<std::string> say_first(const Sentences& alternatives, std::span<const Cell> row,
                                     const Knowledge* knowledge = nullptr);

}  // namespace waggle::explain
