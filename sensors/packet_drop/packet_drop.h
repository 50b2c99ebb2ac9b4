// SPDX-License-Identifier: Apache-2.0
// Why are packets dropped? Rows: `packet_drop`, one for each dropped packet (in aggregate mode the first few
// of each cause and second); `packet_drop_total`, counted in the kernel for each cause;
// `packet_free_routine`, counts of what the kernel frees as a matter of course.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source packet_drop_source;

}  // namespace waggle::sensors
