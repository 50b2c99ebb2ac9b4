// SPDX-License-Identifier: Apache-2.0
// Conditions put to what a probe finds, asked in the kernel.
#pragma once

#include <string_view>
#include <vector>

#include "sensors/probe/probe_fields.h"
#include "waggle/result.h"

namespace waggle::sensors {

// "len > 100 && (flags & 0x40 || !(filename == \"/etc/*\"))": comparisons (== != < <= > >=, and & for a bit that is set)
// joined by && || ! and brackets. What stands on the left is a field, or what ProbeFields::need() reads. On the right is
// a number, the name of a value, or of a text field a text, in which a * at the begin or end stands for anything. They
// come as alternatives, of which one must hold whole; at most PROBE_CONDITIONS comparisons. An error (kind usage) names
// the column, counted from 1.
Result<std::vector<probe_condition>> parse_conditions(std::string_view text, ProbeFields& fields);

}  // namespace waggle::sensors
