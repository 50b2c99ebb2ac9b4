// SPDX-License-Identifier: Apache-2.0
// Who connects to whom, how long that takes, and how it ends?
//
// Rows: `tcp_connection`, one for each connection or attempt at its end (Mode::events only); `tcp_total`, what
// was added since the last snapshot for one process and the address and port it connects to, or for one
// listening port and the address that connects to it.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source tcp_source;

}  // namespace waggle::sensors
