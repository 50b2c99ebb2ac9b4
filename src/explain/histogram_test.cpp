// SPDX-License-Identifier: Apache-2.0
#include "explain/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

namespace waggle::explain {
namespace {

std::size_t slot_of(std::uint64_t value) {
    return value == 0 ? 0 : static_cast<std::size_t>(std::bit_width(value) - 1);
}

TEST(Histogram, percentile_is_the_upper_bound_of_the_slot_of_that_rank) {
    std::mt19937_64 random(1);
    for (int round = 0; round < 50; ++round) {
        std::vector<std::uint64_t> values(1 + random() % 300);
        Slots slots(40);
        for (std::uint64_t& value : values) {
            value = random() >> (25 + random() % 39);
            ++slots[slot_of(value)];
        }
        std::sort(values.begin(), values.end());
        for (int percent = 0; percent <= 100; ++percent) {
            const std::size_t rank =
                std::max<std::size_t>(1, (values.size() * static_cast<std::size_t>(percent) + 99) / 100);
            EXPECT_EQ(slots_percentile(slots, percent / 100.0), slot_upper_bound(slot_of(values[rank - 1])))
                << values.size() << " values, " << percent << " %";
        }
    }
}

TEST(Histogram, bounds_of_slots_meet) {
    EXPECT_EQ(slot_lower_bound(0), 0);
    EXPECT_EQ(slot_upper_bound(0), 1);
    for (std::size_t i = 1; i < 62; ++i) EXPECT_EQ(slot_upper_bound(i - 1) + 1, slot_lower_bound(i));
    EXPECT_EQ(slot_upper_bound(63), std::numeric_limits<std::int64_t>::max());
}

TEST(Histogram, an_empty_one_has_no_percentile) {
    EXPECT_EQ(slots_percentile({}, 0.5), std::nullopt);
    EXPECT_EQ(slots_percentile(Slots(64), 0.5), std::nullopt);
}

TEST(Histogram, sums_stop_at_the_largest_number) {
    Slots sum{std::numeric_limits<std::uint64_t>::max() - 1};
    add_slots(sum, Slots{5, 7});
    EXPECT_EQ(sum, (Slots{std::numeric_limits<std::uint64_t>::max(), 7}));
    EXPECT_EQ(slots_total(sum), std::numeric_limits<std::uint64_t>::max());
}

TEST(Histogram, a_blob_of_another_size_is_none) {
    EXPECT_FALSE(slots_of("1234567"));
    EXPECT_EQ(slots_of("")->size(), 0u);
}

}  // namespace
}  // namespace waggle::explain
