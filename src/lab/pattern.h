// SPDX-License-Identifier: Apache-2.0
// Patterns with values of one injection written in.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lab/fault.h"
#include "waggle/result.h"

namespace waggle::lab {

using Values = std::map<std::string, std::string, std::less<>>;

// Why this is no pattern; empty where it is one.
std::string why_no_pattern(std::string_view text);

// The part of `text` that the pattern matches, nothing where it does not. A value that is not in `values` is
// an error.
Result<std::optional<std::string>> first_match(const Pattern& pattern, const Values& values,
                                               const std::string& text);

// Whether `word` stands in `text` with no letter or digit on either side of it, so that loop1 is not found in
// loop12.
bool mentions(std::string_view text, std::string_view word);

}  // namespace waggle::lab
