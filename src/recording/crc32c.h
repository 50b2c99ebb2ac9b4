// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "waggle/bytes.h"

namespace waggle::agent {

// Eight tables: table k turns a byte into what it leaves behind k bytes later.
inline constexpr auto crc32c_tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> out{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t c = i;
        for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0);
        out[0][i] = c;
    }
    for (std::size_t k = 1; k < 8; ++k)
        for (std::size_t i = 0; i < 256; ++i) out[k][i] = (out[k - 1][i] >> 8) ^ out[0][out[k - 1][i] & 0xff];
    return out;
}();

// CRC-32C (Castagnoli), the check of every frame of a recording. Chain calls by passing the last result.
// Eight bytes at a step (slicing-by-8, Kounavis and Berry 2005): a byte at a step was most of what a
// recording cost.
inline std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0) {
    static_assert(std::endian::native == std::endian::little);
    const auto& table = crc32c_tables;
    crc = ~crc;
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
        const std::uint64_t word = load<std::uint64_t>(bytes) ^ crc;
        crc = 0;
        for (unsigned i = 0; i < 8; ++i) crc ^= table[7 - i][(word >> (8 * i)) & 0xff];
    }
    for (const std::byte b : bytes) crc = (crc >> 8) ^ table[0][(crc ^ static_cast<std::uint32_t>(b)) & 0xff];
    return ~crc;
}

}  // namespace waggle::agent
