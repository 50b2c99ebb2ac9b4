// SPDX-License-Identifier: Apache-2.0
// Measures as people write them in limits and tests: 3, 0.4, 60s, 2.5ms, 8MiB, 40%, 10/s.
#pragma once

#include <optional>
#include <string_view>

#include "query/sql.h"

namespace waggle::explain {

struct Measure {
    Cell value;               // durations in nanoseconds, sizes in bytes, percentages as they are written
    Unit unit = Unit::count;  // count, nanoseconds, bytes, percent, per_second, bytes_per_second
};

// Nothing where the text is no number with one of these units.
std::optional<Measure> measure_of(std::string_view text);
// "a duration, as 60s", "a plain number" …: what a person must write for the unit.
std::string_view measure_name(Unit unit);

}  // namespace waggle::explain
