// SPDX-License-Identifier: Apache-2.0
// Log2 histograms, as the kernel counts them: slot i counts the values v with floor(log2(v)) == i; slot 0
// also counts 0. In rows and in SQL a histogram is a blob of u64 in the machine's byte order.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace waggle::explain {

using Slots = std::vector<std::uint64_t>;

// Nothing where the blob's size is not a multiple of 8.
std::optional<Slots> slots_of(std::string_view blob);
void add_slots(Slots& sum, std::span<const std::uint64_t> slots);  // `sum` grows where `slots` is longer
std::uint64_t slots_total(std::span<const std::uint64_t> slots);   // stops at the largest u64

// Largest value of a slot: 2^(i+1) - 1; slot 63 and above give the largest i64.
std::int64_t slot_upper_bound(std::size_t slot);
// Smallest value of a slot: 2^i; 0 for slot 0.
std::int64_t slot_lower_bound(std::size_t slot);

// The upper bound of the slot that holds the value of rank ceil(share * total), counted from the smallest: at
// least the share of all values is not above it. `share` lies between 0 and 1. Nothing for an empty
// histogram.
std::optional<std::int64_t> slots_percentile(std::span<const std::uint64_t> slots, double share);

}  // namespace waggle::explain
