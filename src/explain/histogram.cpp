// SPDX-License-Identifier: Apache-2.0
#include "explain/histogram.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace waggle::explain {
namespace {

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t sum = a + b;
    return sum < a ? std::numeric_limits<std::uint64_t>::max() : sum;
}

}  // namespace

std::optional<Slots> slots_of(std::string_view blob) {
    if (blob.size() % sizeof(std::uint64_t) != 0) return std::nullopt;
    Slots slots(blob.size() / sizeof(std::uint64_t));
    if (!slots.empty()) std::memcpy(slots.data(), blob.data(), blob.size());
    return slots;
}

void add_slots(Slots& sum, std::span<const std::uint64_t> slots) {
    if (sum.size() < slots.size()) sum.resize(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i) sum[i] = saturating_add(sum[i], slots[i]);
}

std::uint64_t slots_total(std::span<const std::uint64_t> slots) {
    std::uint64_t total = 0;
    for (const std::uint64_t count : slots) total = saturating_add(total, count);
    return total;
}

std::int64_t slot_upper_bound(std::size_t slot) {
    if (slot >= 62) return std::numeric_limits<std::int64_t>::max();
    return (std::int64_t{1} << (slot + 1)) - 1;
}

std::int64_t slot_lower_bound(std::size_t slot) {
    if (slot == 0) return 0;
    return slot >= 63 ? std::numeric_limits<std::int64_t>::max() : std::int64_t{1} << slot;
}

std::optional<std::int64_t> slots_percentile(std::span<const std::uint64_t> slots, double share) {
    const std::uint64_t total = slots_total(slots);
    if (total == 0) return std::nullopt;
    // 0.07 of 100 values is 7, although 0.07 * 100 is a little more than 7 in binary.
    const double exact = share * static_cast<double>(total);
    const double nearest = std::round(exact);
    double rank = std::fabs(exact - nearest) <= 1e-9 * std::fmax(1.0, nearest) ? nearest : std::ceil(exact);
    rank = std::fmin(std::fmax(rank, 1.0), static_cast<double>(total));
    std::uint64_t seen = 0;
    std::size_t last = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        if (slots[i] == 0) continue;
        last = i;
        seen = saturating_add(seen, slots[i]);
        if (static_cast<double>(seen) >= rank) break;
    }
    return slot_upper_bound(last);
}

}  // namespace waggle::explain
