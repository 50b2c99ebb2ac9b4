// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace waggle::agent {

// CRC-32C (Castagnoli), the check of every frame of a recording. Chain calls by passing the last result.
inline std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0) {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> out{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82f63b78u : 0);
            out[i] = c;
        }
        return out;
    }();
    crc = ~crc;
    for (const std::byte b : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<std::uint32_t>(b)) & 0xff];
    return ~crc;
}

}  // namespace waggle::agent
