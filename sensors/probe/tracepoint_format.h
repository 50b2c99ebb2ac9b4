// SPDX-License-Identifier: Apache-2.0
// What a tracepoint's `format` file says of its record: its fields, and of what its print line tells the names of
// values, of bits, and which fields are addresses.
#pragma once

#include <string_view>

#include "sensors/probe/probe_fields.h"

namespace waggle::sensors {

// Fields that lie beyond PROBE_CONTEXT_MAX are left out. Pure.
void add_tracepoint_fields(std::string_view format, ProbeFields& out);

// A system call's number, errors it returns, flags it takes, by their names; for the categories syscalls and
// raw_syscalls.
void name_system_call_fields(std::string_view tracepoint, ProbeFields& out);

}  // namespace waggle::sensors
