// SPDX-License-Identifier: Apache-2.0
// Which locks do the threads of a program wait for, and who lets them have them? Rows since the last snapshot: `lock` (an
// address in a process that threads sleep for), `lock_releaser` (a thread that woke those that slept for it).
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source lock_source;

}  // namespace waggle::sensors
