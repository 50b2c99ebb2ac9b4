// SPDX-License-Identifier: Apache-2.0
#include "recording/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

namespace waggle::agent {
namespace {

// The definition, a bit at a time.
std::uint32_t by_definition(Bytes bytes) {
    std::uint32_t crc = ~0u;
    for (const std::byte b : bytes) {
        crc ^= static_cast<std::uint32_t>(b);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

TEST(Crc32c, gives_the_values_of_rfc_3720) {
    EXPECT_EQ(crc32c(bytes_of(std::string_view("123456789"))), 0xe3069283u);
    const std::vector<std::byte> zeros(32), ones(32, std::byte{0xff});
    EXPECT_EQ(crc32c(zeros), 0x8a9136aau);
    EXPECT_EQ(crc32c(ones), 0x62a8ab43u);
}

TEST(Crc32c, is_the_same_at_every_length_and_however_it_is_cut) {
    std::vector<std::byte> bytes;
    for (unsigned i = 0; i < 67; ++i) {
        const std::uint32_t whole = by_definition(bytes);
        EXPECT_EQ(crc32c(bytes), whole) << i << " bytes";
        for (std::size_t cut = 0; cut <= bytes.size(); ++cut)
            EXPECT_EQ(crc32c(Bytes(bytes).subspan(cut), crc32c(Bytes(bytes).first(cut))), whole);
        bytes.push_back(static_cast<std::byte>(i * 151 + 7));
    }
}

}  // namespace
}  // namespace waggle::agent
