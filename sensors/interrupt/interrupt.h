// SPDX-License-Identifier: Apache-2.0
// What do interrupts and softirqs cost, on which processor, and in whose time? Rows since the last snapshot:
// `interrupt` (a handler of a line on a processor), `softirq` (a kind on a processor), `interrupted` (a process), `net_poll`
// (packets of a device taken by a processor).
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source interrupt_source;

}  // namespace waggle::sensors
