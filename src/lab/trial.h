// SPDX-License-Identifier: Apache-2.0
// One fault tried: made, asked about, judged, healed.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lab/fault.h"
#include "lab/report.h"
#include "lab/stage.h"
#include "waggle/result.h"

namespace waggle::lab {

constexpr std::uint64_t default_watch_ns = 6'000'000'000;

struct Trial {
    std::string lab;
    std::string program;  // the waggle that is asked
    std::string release;  // of the kernel
    std::uint64_t seed = 0;
    std::uint64_t watch_ns = 0;  // 0: as long as the fault says, else default_watch_ns
    bool paste = false;
    std::chrono::milliseconds settle{1500};  // after a pasted command, before the next question
};

// Makes the fault, asks, judges, heals. Whatever happens, the fault is gone afterwards or the score says what
// is left.
Score try_fault(const Fault& fault, const Trial& trial, const std::atomic<bool>& stop);

// All of them, `jobs` at a time: each has namespaces, disks and control groups of its own and is watched by a
// waggle of its own, whose findings are told apart by what the fault made. They share the processors, so a
// fault that is measured in time can come out otherwise than alone; those that say so are tried alone, last. `told` hears of each when it is done, one
// at a time. The scores stand in the order of the faults; those that `stop` left out are missing.
std::vector<Score> try_faults(std::span<const Fault* const> faults, const Trial& trial, std::size_t jobs,
                              const std::atomic<bool>& stop, const std::function<void(const Score&)>& told);

// As try_fault, and what the answer rests on is kept in `file`: a recording of the fault alone, which is
// judged once more as it will be replayed. A verdict that differs from the live one is a failure.
Score record_fault(const Fault& fault, const Trial& trial, const std::string& file,
                   const std::atomic<bool>& stop);

// Makes the fault and runs `waggle why` with these further words while it is there.
struct Said {
    std::string text;
    std::string failed;   // inject, the question or heal
    std::string skipped;  // it cannot be made here
};
Said ask_about(const Fault& fault, const Trial& trial, const std::vector<std::string>& more,
               const std::atomic<bool>& stop);

}  // namespace waggle::lab
