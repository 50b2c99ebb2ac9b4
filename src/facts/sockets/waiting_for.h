// SPDX-License-Identifier: Apache-2.0
// What a process waits for at this moment, by the system call that each of its threads is in.
//
// Source: /proc/PID/syscall (the kernel's CONFIG_HAVE_ARCH_TRACEHOOK; needs the right to trace the process),
// the epoll set of /proc/PID/fdinfo, and the array that poll() was given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/procfs.h"

namespace waggle::facts {

struct Waiting {
    // "new connections", "data on a connection", "a lock or another of its threads (futex)" …; empty where it
    // is not known, or threads wait for different things.
    std::string words;
    // Of the socket that a thread reads from, writes to or connects; 0 where it waits for none.
    std::uint32_t inode = 0;
    // Whether a thread waits for connections or packets of the socket that was asked about; nothing where it
    // cannot be told.
    std::optional<bool> for_socket;
    bool for_child = false;  // the end of a child process, or a signal, which can be that
    bool at_pipe = false;    // data or room in a pipe
};

// One line of /proc/PID/syscall; pure.
struct SystemCall {
    long number = -1;  // -1: in none, or not known
    std::uint64_t arguments[6] = {};
};
std::optional<SystemCall> parse_system_call(std::string_view line);

// The call of each thread; nothing for one that runs, or whose call is not known. Empty where there are more
// threads than are worth looking at.
using SystemCalls = std::vector<std::optional<SystemCall>>;
SystemCalls system_calls_of(Procfs& proc, std::uint32_t pid);

// `socket_inode`: the socket that is asked about.
Waiting waiting_for(Procfs& proc, std::uint32_t pid, const SystemCalls& calls, std::uint32_t socket_inode);

}  // namespace waggle::facts
