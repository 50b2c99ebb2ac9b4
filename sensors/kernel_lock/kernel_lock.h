// SPDX-License-Identifier: Apache-2.0
// For which locks of the kernel does who wait, and in which function? Rows since the last snapshot: `kernel_lock`, the waits
// of one process (or of interrupts) for one lock in one place of the kernel.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source kernel_lock_source;

}  // namespace waggle::sensors
