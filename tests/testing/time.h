// SPDX-License-Identifier: Apache-2.0
// Times of tests that take real time.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace waggle::test {

inline constexpr std::uint64_t millisecond_ns = 1'000'000;
inline constexpr std::uint64_t second_ns = 1'000 * millisecond_ns;

inline const SystemClock system_clock;

}  // namespace waggle::test
