// SPDX-License-Identifier: Apache-2.0
// Which threads change their name? Rows: `skeleton`, one for each rename; `skeleton_total`, how many there were.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source skeleton_source;

}  // namespace waggle::sensors
