// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace waggle::facts {

// Text into a field of fixed length that is zero before; cut where it does not fit, a NUL always stays. Of an empty text
// there need not be an address, which memcpy() would want.
template <std::size_t N>
void put(char (&to)[N], std::string_view text) {
    std::copy_n(text.data(), std::min(text.size(), N - 1), to);
}

// The number a text starts with; 0 where it starts with none.
template <class T = std::int64_t>
T number_of(std::string_view text, int base = 10) {
    T value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, base);
    return value;
}

// The number behind the first `key` and blanks, as of "memlock:\t8192"; 0 where there is none.
template <class T = std::int64_t>
T number_behind(std::string_view text, std::string_view key, int base = 10) {
    const std::size_t at = text.find(key);
    if (at == std::string_view::npos) return 0;
    text.remove_prefix(at + key.size());
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    return number_of<T>(text, base);
}

}  // namespace waggle::facts
