// SPDX-License-Identifier: Apache-2.0
// KernelPasses: what the kernel side of this room is asked: which process holds which BPF program, how full maps are, and
// what the kernel's run statistics cost. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "sensors/bpf_program/bpf_program.event.h"
#include "waggle/object.h"

namespace waggle::sensors {

// What the statistics cost each run of each program of the machine, while they are on.
struct StatisticsCost {
    std::uint64_t inside_ns = 0;  // of it, what the kernel counts as the program's own time
    std::uint64_t whole_ns = 0;   // 0 where they were on before: then waggle adds nothing
    bool were_on = false;
};

class KernelPasses {
  public:
    // Loads the iterators, and learns from files of waggle's own how the kernel marks such files.
    static Result<KernelPasses> open();

    // Every descriptor that holds a program; by process, ascending. Empty where the kernel does not tell.
    std::vector<bpf_holder> holders() const;
    // The entries of hash maps by the map's id; empty before 6.6.
    std::map<std::uint32_t, std::int64_t> fills() const;
    // Runs an empty program without and with the statistics. They are off before, unless somebody else has them on.
    Result<StatisticsCost> measure() const;

    const std::vector<HookUse>& hooks() const { return object_.hooks(); }

  private:
    explicit KernelPasses(Object object) : object_(std::move(object)) {}
    Result<void> learn();

    Object object_;
};

}  // namespace waggle::sensors
