// SPDX-License-Identifier: Apache-2.0
// Plural categories, as the Unicode CLDR names them, for numbers as they are printed.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace waggle::explain {

enum class Plural : std::uint8_t { zero, one, two, few, many, other };

inline constexpr std::array<std::string_view, 6> plural_names = {"zero", "one",  "two",
                                                                 "few",  "many", "other"};

// The category of a whole number, or (`fraction`) of one printed with a fraction; languages that are not
// known here are counted as English is: one, other.
Plural plural_of(std::string_view language, std::uint64_t number, bool fraction);

}  // namespace waggle::explain
