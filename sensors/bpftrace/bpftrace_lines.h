// SPDX-License-Identifier: Apache-2.0
// A line of `bpftrace -f json` as records.
#pragma once

#include <cstdint>
#include <string_view>

#include "waggle/coverage.h"

namespace waggle::sensors {

struct BpftraceLine {
    std::uint64_t probes = 0;  // the line said that so many probes are being attached
    std::uint64_t lost = 0;    // ... that so many events were lost
};

// Hands the records of one line to `sink`, many at once, but the buckets of one distribution never apart.
// Entries come in bpftrace's order, equal keys included. A line that is no JSON, or breaks off, is a text of
// output "stdout". `time_ns` is CLOCK_MONOTONIC. Texts beyond 4,096 bytes are cut there and end in "...".
BpftraceLine read_bpftrace_line(std::string_view line, std::uint64_t time_ns, const RecordSink& sink);

}  // namespace waggle::sensors
