// SPDX-License-Identifier: Apache-2.0
// What happens at this place of the kernel or of a program? Rows: `probe`, one each time it is passed, with
// the arguments the place has; `probe_count` and `probe_histogram`, what was counted instead.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source probe_source;

}  // namespace waggle::sensors
