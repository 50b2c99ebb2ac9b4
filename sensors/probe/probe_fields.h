// SPDX-License-Identifier: Apache-2.0
// What a probe finds where it is: the arguments of a function by name and type, the fields of a tracepoint,
// the return value. And the conditions put to them.
//
// Source: the running kernel's BTF (functions, raw tracepoints), tracefs (tracepoints). Stateless: any
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/probe/probe.event.h"
#include "waggle/attach.h"
#include "waggle/result.h"

namespace waggle::sensors {

// One figure, as it is named, asked for and printed.
struct ProbeField {
    enum class Shape { number, pointer, text, bytes };

    std::string name;  // "flags", "arg0" where no name is known, "return", "latency_ns", "pid"
    std::string type;  // "unsigned int", "const char *", as the kernel declares it; empty where unknown
    Shape shape = Shape::number;
    probe_figure figure{};
    bool always = false;  // belongs to every event (pid, tid, uid, cpu); not printed as an argument
    std::map<std::uint64_t, std::string> names;  // of an enum's values
};

struct ProbeFields {
    std::vector<ProbeField> fields;
    std::uint32_t arguments = 0;      // how many the function or raw tracepoint has
    std::uint32_t context_bytes = 0;  // of a tracepoint's record
    bool returns = false;

    const ProbeField* find(std::string_view name) const;
    // The field, or an error that names the nearest ones.
    Result<const ProbeField*> need(std::string_view name) const;
};

// What can be read at `spec`. A function without a description in the kernel's BTF, and a user function, have
// arg0 to arg5. `tracefs`: where that is mounted; empty: wherever, or nowhere (Tracefs::open()).
Result<ProbeFields> probe_fields(const AttachSpec& spec, const std::string& tracefs = "");

// "len > 100 && flags & 0x40": at most four comparisons (== != < <= > >= and & for a bit that is set), all of
// which must hold. A right side is a number or the name of an enum's value. An error (kind usage) names the
// column, counted from 1.
Result<std::vector<probe_condition>> parse_conditions(std::string_view text, const ProbeFields& fields);

}  // namespace waggle::sensors
