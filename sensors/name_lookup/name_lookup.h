// SPDX-License-Identifier: Apache-2.0
// Who waits for the addresses of which names, how long, and what comes of it, as programs see it: calls of the C library.
//
// Rows: `name_lookup_total`, what was added since the last snapshot for one process; `name_lookup`, a call at its end
// (Mode::events only).
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source name_lookup_source;

}  // namespace waggle::sensors
