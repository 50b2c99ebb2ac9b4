// SPDX-License-Identifier: Apache-2.0
// The benchmarks, each file's registered by one call: their number depends on the rooms of this build.
#pragma once

#include <cstddef>
#include <string_view>

namespace waggle::bench {

void register_decode();      // read/SCHEMA, append/SCHEMA, columns/SCHEMA
void register_ring();        // ring_to_table, ring_full_speed; need root
void register_sql();         // sql/…
void register_recording();   // recording/write, recording/read
void register_maps();        // engine/ring/…, engine/hash/…; need root
void register_histograms();  // histogram/RECORDS; needs root
void register_directory();   // directory/learn

// The bare work of read/SCHEMA, append/SCHEMA, columns/SCHEMA or ring_to_table on so many items, once, for
// whoever counts instructions. False: no such work, or it could not be done.
bool repeat(std::string_view name, std::size_t items);
bool repeat_ring(std::size_t items);

}  // namespace waggle::bench
