// SPDX-License-Identifier: Apache-2.0
// Where BPF programs are attached: by their links (BPF_OBJ_GET_INFO_BY_FD), and for perf events that run a program without
// one by BPF_TASK_FD_QUERY. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sensors/bpf_program/bpf_program.event.h"

namespace waggle::sensors {

// One place.
struct ProgramHook {
    std::uint32_t program_id = 0;
    std::uint32_t link_id = 0;  // 0: no link
    std::uint32_t places = 1;   // functions, or events alike, that this is attached to
    std::string kind;           // tracepoint, kprobe, cgroup ...
    std::string hook;           // its name there; empty where the kernel does not tell it
};

class ProgramHooks {
  public:
    // All places of all programs, the links first; `holders` as the kernel's pass gives them.
    std::vector<ProgramHook> read(std::span<const bpf_holder> holders);

  private:
    ProgramHook of_link(int fd, bool& told);
    const std::string& function(std::uint32_t btf_object, std::uint32_t btf_type);

    std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> functions_;  // by BTF object and type
};

}  // namespace waggle::sensors
