// SPDX-License-Identifier: Apache-2.0
// What the writer and the reader of recordings must agree on, and nothing else.
#pragma once

#include <cstdint>
#include <string_view>

namespace waggle::agent {

inline constexpr std::string_view recording_magic{"waggle record 1\n", 16};

enum class Frame : std::uint32_t {
    schema = 1,
    rows = 2,
    name = 3,
    subject = 4,
    moment = 5,
    memory = 6,
    fact_again = 7,
    user_rules = 8,
    note = 9
};

struct FrameHeader {
    std::uint32_t type;
    std::uint32_t length;  // of the payload, without padding
    std::uint32_t crc;     // over type, length and payload
    std::uint32_t zero;
};

// A rows frame: this, then for each row {u64 bytes, record, zeros to a multiple of 8}.
struct RowsHeader {
    std::uint32_t schema;
    std::uint32_t count;
};

// Larger frames are damage, not data.
inline constexpr std::uint32_t frame_limit = 64u << 20;

}  // namespace waggle::agent
