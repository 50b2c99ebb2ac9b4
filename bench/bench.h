// SPDX-License-Identifier: Apache-2.0
// The benchmarks, each file's registered by one call: their number depends on the rooms of this build.
#pragma once

namespace waggle::bench {

void register_decode();  // read/SCHEMA, append/SCHEMA, columns/SCHEMA
void register_ring();    // ring_to_table, ring_full_speed; need root
void register_sql();     // sql/…

}  // namespace waggle::bench
