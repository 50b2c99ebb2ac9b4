// SPDX-License-Identifier: Apache-2.0
#include "explain/plural.h"

#include <algorithm>

namespace waggle::explain {
namespace {

template <std::size_t count>
bool among(std::string_view language, const std::array<std::string_view, count>& languages) {
    return std::find(languages.begin(), languages.end(), language) != languages.end();
}

constexpr std::array<std::string_view, 8> without_plural = {"zh", "ja", "ko", "vi", "th", "id", "ms", "lo"};
constexpr std::array<std::string_view, 3> zero_is_one = {"fr", "pt", "hi"};
constexpr std::array<std::string_view, 6> east_slavic = {"ru", "uk", "be", "sr", "hr", "bs"};

}  // namespace

Plural plural_of(std::string_view language, std::uint64_t number, bool fraction) {
    const std::string_view base = language.substr(0, language.find_first_of("_-"));
    const std::uint64_t ones = number % 10, tens = number % 100;
    if (among(base, without_plural)) return Plural::other;
    if (among(base, zero_is_one)) return number < 2 ? Plural::one : Plural::other;
    if (fraction) return base == "cs" || base == "sk" ? Plural::many : Plural::other;
    if (among(base, east_slavic)) {
        if (ones == 1 && tens != 11) return Plural::one;
        if (ones >= 2 && ones <= 4 && (tens < 12 || tens > 14)) return Plural::few;
        return base == "ru" || base == "uk" || base == "be" ? Plural::many : Plural::other;
    }
    if (base == "pl") {
        if (number == 1) return Plural::one;
        return ones >= 2 && ones <= 4 && (tens < 12 || tens > 14) ? Plural::few : Plural::many;
    }
    if (base == "cs" || base == "sk") {
        if (number == 1) return Plural::one;
        return number >= 2 && number <= 4 ? Plural::few : Plural::other;
    }
    if (base == "ar") {
        if (number <= 2) return number == 0 ? Plural::zero : number == 1 ? Plural::one : Plural::two;
        if (tens >= 3 && tens <= 10) return Plural::few;
        return tens >= 11 ? Plural::many : Plural::other;
    }
    return number == 1 ? Plural::one : Plural::other;
}

}  // namespace waggle::explain
