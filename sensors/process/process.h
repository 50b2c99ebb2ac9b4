// SPDX-License-Identifier: Apache-2.0
// Which processes start and end, and how? Rows: `process_exec`, `process_fork`, `process_exit`; one for each
// program started, process made, process ended. Exec and exit of one process share pid and start_ns.
//
// All three cross the ring in both modes: they are what says whom every other row belongs to. Mode::aggregate
// keeps 512 bytes of a program's arguments, Mode::events 4096.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source process_source;

}  // namespace waggle::sensors
