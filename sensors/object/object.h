// SPDX-License-Identifier: Apache-2.0
// What does this compiled BPF object see? Loads any object, attaches it, and makes tables of it by its own
// types: `object_MAP` of the records of each ring and perf buffer and of the entries of each other map;
// `object_program`, `object_map`, `object_table` and `object_global` of the object itself; `object_bytes` of
// records whose type is not known.
#pragma once

#include "model/source.h"

namespace waggle::sensors {

extern const Source object_source;

}  // namespace waggle::sensors
