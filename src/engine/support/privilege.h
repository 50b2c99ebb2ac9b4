// SPDX-License-Identifier: Apache-2.0
// What keeps this process from watching the kernel, looked up: its capabilities, its user namespace, its seccomp
// filters. Nothing of it is guessed from an error number.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace waggle::kernel {

// How a process stands before the kernel.
struct Standing {
    std::uint64_t effective = 0;       // capabilities, a bit each
    std::uint64_t bounding = ~0ULL;    // those that it, and what it starts, can get
    bool no_new_privileges = false;    // no program it starts gets more (sudo)
    bool first_user_namespace = true;  // the only one whose capabilities count for bpf(2)
    std::string user_map{};            // "0 1000 1" of uid_map: 0 in it is 1000 outside
    int seccomp_mode = 0;              // 2: filters decide about system calls
    int bpf_refusal = 0;  // what bpf(2) gave where the kernel itself says E2BIG; 0: that, or not asked
};

// What /proc/self says; bpf(2) is called only below a seccomp filter.
Standing read_standing(const std::string& proc = "/proc");

struct Obstacle {
    std::string what;  // "CAP_BPF and CAP_PERFMON are missing"; empty: none
    std::string cure;  // "run it as root, or with sudo"
};
Obstacle obstacle_of(const Standing& standing);
// Whether a capability counts where the kernel asks for it outside of every user namespace.
bool counts(const Standing& standing, unsigned capability);

}  // namespace waggle::kernel
