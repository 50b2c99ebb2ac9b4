// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace waggle {

// Borrowed, read-only memory. Whoever hands it out says how long it lives.
using Bytes = std::span<const std::byte>;

// The bytes of a plain value, or of a text; borrowed from it.
template <class T>
Bytes bytes_of(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return std::as_bytes(std::span<const T, 1>(&value, 1));
}

// The bytes of a text, borrowed from it.
inline Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

// Reads a T at `offset`, which the caller has checked to lie inside; alignment does not matter.
template <class T>
T load(Bytes bytes, std::size_t offset = 0) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

}  // namespace waggle
