// SPDX-License-Identifier: Apache-2.0
// SocketOwners: which process holds which socket. By an iterator program in the kernel where that loads, else
// by reading /proc/PID/fd of every process, which takes ten times as long.
//
// Not thread-safe. Source: bpf iter/task_file and bpf_sock_from_file (5.11); CAP_BPF and CAP_PERFMON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "host/procfs.h"
#include "host/roots.h"
#include "waggle/object.h"

struct socket_owner;  // as the kernel side writes it

namespace waggle::facts {

struct Owner {
    std::uint32_t pid = 0;    // the lowest of those that hold the socket; 0 where unknown
    std::uint32_t count = 0;  // how many processes hold it
    std::string comm;
    std::string exe;
    std::uint64_t start_ns = 0;     // of that process, CLOCK_BOOTTIME, to 1/100 s
    std::optional<bool> reuseport;  // of the socket (SO_REUSEPORT); nothing where only /proc could be asked
    // Of the socket: whether a program has set the buffer's size (SO_SNDBUF, SO_RCVBUF), so that the kernel does not
    // change it; nothing as above.
    std::optional<bool> send_buffer_fixed = std::nullopt, receive_buffer_fixed = std::nullopt;
};

class SocketOwners {
  public:
    // By socket inode. Only the sockets that stand in `owners` are looked for; those without a process keep
    // pid 0.
    using Owners = std::unordered_map<std::uint32_t, Owner>;
    void find(Procfs& proc, Owners& owners);

    static void find_by_proc(Procfs& proc, Owners& owners);
    // False, with `owners` untouched, where the kernel side is not to be had.
    bool find_by_kernel(Procfs& proc, Owners& owners);

    // Each process with each TCP listener and UDP socket that it holds, once, by ascending pid.
    struct Held {
        std::uint32_t inode;
        std::uint32_t pid;
        auto operator<=>(const Held&) const = default;
    };
    Result<std::vector<Held>> all_that_wait(const Roots& roots, Procfs& proc);

  private:
    std::optional<std::vector<socket_owner>> pass(Procfs& proc);

    bool tried_ = false;
    std::optional<Object> object_;
};

}  // namespace waggle::facts
