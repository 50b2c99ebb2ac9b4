// SPDX-License-Identifier: Apache-2.0
// Patterns of lines and names in the knowledge: {name} stands for a run of characters without blanks, {name:d} for a
// number, * for anything; a blank for any number of them; upper and lower case are alike. A pattern begins and ends
// at the edge of a word.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace waggle::explain {

using Captures = std::vector<std::pair<std::string, std::string>>;  // name and what stood there

// What the names stand for where the pattern is found: anywhere in the text; a pattern of a name
// (letters, digits, _ and dots) is the whole.
std::optional<Captures> match_pattern(std::string_view pattern, std::string_view text);

enum class FillFor { words, command };  // for a person; or for a shell

// The text with its {names} filled in, {ip-start} with the difference of two hexadecimal numbers; a name that nothing
// stands for is said in CAPITALS, and in a command also one whose value a shell would act on. Control characters are
// escaped.
std::string filled(std::string_view text, const Captures& captures, FillFor use);

}  // namespace waggle::explain
