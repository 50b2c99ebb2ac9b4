// SPDX-License-Identifier: Apache-2.0
// Sentence: a text with {column} or {column:format} in it, filled from one row. What cannot be said because a
// value is null is not said. {{ and }} stand for braces.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/sql.h"

namespace waggle::explain {

// Where the sentence is said decides how values look.
enum class Place : std::uint8_t {
    words,    // for a person: 1,234 packets, 4.0 KiB, control characters escaped
    plain,    // names and identifiers: digits without grouping, control characters escaped
    command,  // for a shell: digits alone, everything unusual quoted; words again behind " # "
};

// Entries of try and check that begin with a capital letter or a value and end with a full stop are said;
// the others are commands.
bool is_spoken(std::string_view text);

// A value as one word of a POSIX shell; what is unprintable is written $'\xNN', which bash, zsh and ksh read.
std::string shell_word(std::string_view text);

class Sentence {
  public:
    struct Fault {
        std::size_t offset;  // in the text
        std::string reason;
    };
    // `columns` are those of the row; the first thing wrong with the text is the fault.
    static std::optional<Fault> check(std::string_view text, Place place,
                                      std::span<const std::string> columns);
    // `text` passed check() with these columns.
    static Sentence make(std::string_view text, Place place, std::span<const std::string> columns);

    // Nothing where a value that it names is null.
    std::optional<std::string> say(std::span<const Cell> row) const;

  private:
    enum class Format : std::uint8_t {
        automatic,  // by the column's name
        count,
        bytes,
        duration,
        percent,
        rate,
        bytes_rate,
        text,
        raw
    };
    struct Part {
        std::string literal;  // said first
        bool value = false;   // then the value of a column
        std::size_t column = 0;
        Unit unit = Unit::none;
        Format format = Format::automatic;
        Place place = Place::words;
    };
    static std::optional<Fault> parse(std::string_view text, Place place,
                                      std::span<const std::string> columns, std::vector<Part>& parts);
    static std::string format(const Part& part, const Cell& cell);

    std::vector<Part> parts_;
};

// Alternatives, best first: the first that can be said is said.
using Sentences = std::vector<Sentence>;
std::optional<std::string> say_first(const Sentences& alternatives, std::span<const Cell> row);

}  // namespace waggle::explain
