// SPDX-License-Identifier: Apache-2.0
// What does this script of bpftrace say? Rows: `bpftrace`, one for each text it prints and each entry of a
// map.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source bpftrace_source;

}  // namespace waggle::sensors
