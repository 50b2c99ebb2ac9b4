// SPDX-License-Identifier: Apache-2.0
// What a probe finds where it is: the arguments of a function by name and type, the fields of a tracepoint,
// the return value, and what can be reached from these.
//
// Source: the running kernel's BTF (functions, raw tracepoints, iterators), tracefs (tracepoints). Stateless: any
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sensors/probe/probe.event.h"
#include "waggle/attach.h"
#include "waggle/result.h"

struct btf;

namespace waggle::sensors {

// One figure, as it is named, asked for and printed.
struct ProbeField {
    // address: of IP, or of a socket (struct sockaddr).
    enum class Shape { number, pointer, text, bytes, address };

    std::string name;  // "flags", "arg0" where no name is known, "return", "latency_ns", "pid"
    std::string type;  // "unsigned int", "const char *", as the kernel declares it; empty where unknown
    Shape shape = Shape::number;
    probe_figure figure{};
    bool always = false;  // belongs to every event (pid, tid, uid, cpu, comm); not printed as an argument
    std::uint32_t target = 0;  // of a pointer to a struct: that struct in the kernel's BTF
    std::string expression;    // it was asked for: "path->dentry->d_name.name"; empty: the place has it
    std::map<std::uint64_t, std::string> names;                // of values: an enum's, errors, system calls
    std::vector<std::pair<std::uint64_t, std::string>> flags;  // of bits
    int text_at = -1;                                          // in an event's texts; -1: not there
    int value_at = -1;                                         // in an event's values

    // Its memory is read in the kernel, where it is.
    bool is_text() const { return figure.text != PROBE_NUMBER; }
    // It stands in the record of a tracepoint, which every event has.
    bool in_record() const;
};

struct ProbeFields {
    std::deque<ProbeField> fields;
    std::uint32_t arguments = 0;      // how many the function or raw tracepoint has
    std::uint32_t context_bytes = 0;  // of a tracepoint's record
    bool returns = false;
    std::shared_ptr<btf> types;  // the kernel's, where they were needed

    const ProbeField* find(std::string_view name) const;
    // The field of this name or what an expression says, which is a field from then on; or an error that names the
    // nearest:
    //   path->dentry->d_name.name   follows the kernel's structs from an argument or field
    //   str(arg0)                   arg0 is a pointer to a text
    //   ip(sk->__sk_common.skc_daddr)  it is an address of IP
    // args->x, args.x and retval are x and return.
    Result<const ProbeField*> need(std::string_view expression);
};

// What can be read at `spec`. A function without a description in the kernel's BTF, and a user function, have
// arg0 to arg5. `tracefs`: where that is mounted; empty: wherever, or nowhere (Tracefs::open()).
Result<ProbeFields> probe_fields(const AttachSpec& spec, const std::string& tracefs = "");

// Of several places: what they all have alike, and `probe`, which of them it was.
Result<ProbeFields> probe_fields(const std::vector<AttachSpec>& specs);

}  // namespace waggle::sensors
