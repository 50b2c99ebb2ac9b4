// SPDX-License-Identifier: Apache-2.0
// Who waits for a processor, who has it, and why do threads leave it?
//
// Rows: `run_queue`, one for each wait that ended (Mode::events only); `run_queue_total`, what a process did since the last
// reading; `run_queue_cpu`, every processor; `run_queue_thread`, single threads that are real-time, bound to some processors, or wait long.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source run_queue_source;

}  // namespace waggle::sensors
