// SPDX-License-Identifier: Apache-2.0
// What was watched and what was not: the raw material of every answer's coverage.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "waggle/bytes.h"

namespace waggle {

// How one kernel moment is watched, or why it is not.
struct HookUse {
    std::string moment;  // "exec"
    std::string hook;    // "tp_btf/sched_process_exec"; empty when no rung of the ladder held
    std::string lost;    // what is not seen without it, one sentence
    std::string reason;  // why no rung held, in the kernel's or libbpf's words; empty when `hook` is set
};

// Records that never became rows, by cause; counts only grow while a sensor runs.
struct Loss {
    std::string cause;        // "ring full", "unreadable record", "map full"
    std::uint64_t count = 0;  // records
};

// Takes a batch of records; the bytes live until it returns.
using RecordSink = std::function<void(std::span<const Bytes>)>;

}  // namespace waggle
