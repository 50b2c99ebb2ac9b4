// SPDX-License-Identifier: Apache-2.0
// The words for rejections: knowledge/<language>/verifier.yaml, compiled by tools/rejections.py.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "waggle/verifier.h"

namespace waggle::kernel {

struct RejectionPattern {
    std::string_view pattern;
    std::span<const std::string_view> when;
    std::span<const std::string_view> what;  // these three stand before the class's own where they are set
    std::span<const std::string_view> remedy;
    std::span<const std::string_view> code;
};

struct RejectionClass {
    std::string_view id;
    std::string_view title;
    std::span<const RejectionPattern> patterns;
    std::span<const std::string_view> what;
    std::span<const std::string_view> remedy;
    std::span<const std::string_view> code;
};

struct NamedText {
    std::string_view name;
    std::string_view text;
};

struct VerifierWords {
    std::string_view language;
    std::span<const RejectionClass> classes;
    std::span<const NamedText> releases;
    std::span<const NamedText> acquires;
    std::span<const NamedText> registers;
    std::span<const NamedText> steps;
    std::span<const NamedText> labels;
    std::span<const NamedText> helper_ways;
};

// English where the language is not there.
const VerifierWords& verifier_words(std::string_view language);

std::string_view text_named(std::span<const NamedText> texts, std::string_view name);  // empty: none

// What is known of one rejection, by name.
using Facts = std::map<std::string, std::string, std::less<>>;

// Whether `line` is as `pattern` says ({name}: any text, {name:d}: a whole number); what the names stand for.
std::optional<Facts> match_pattern(std::string_view pattern, std::string_view line);

// `text` with its {names} put in; none where one is not known.
std::optional<std::string> fill(std::string_view text, const Facts& facts);
// The first that can be filled; empty where none can.
std::string fill_first(std::span<const std::string_view> texts, const Facts& facts);

// One condition of `when`.
bool holds(std::string_view condition, const Facts& facts);

// The code with its place in front: "before line 17: if (...) return 0;".
std::string placed_code(const Rejection& rejection, std::string_view language);

}  // namespace waggle::kernel
