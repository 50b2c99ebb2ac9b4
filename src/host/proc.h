// SPDX-License-Identifier: Apache-2.0
// What /proc says about one process.
//
// Everything in there was named by whoever runs the process: names hold newlines, parentheses, anything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::context {

struct ProcStat {
    std::uint32_t pid = 0;
    std::string comm;
    std::uint32_t parent_pid = 0;
    std::uint64_t start_ticks = 0;  // since boot, CLOCK_BOOTTIME
};

// The text of /proc/PID/stat; nothing where it is not one.
std::optional<ProcStat> parse_stat(std::string_view text);

class Proc {
  public:
    static Result<Proc> open(const std::string& root);

    // Nothing where there is no such process (or no right to ask).
    std::optional<ProcStat> stat(std::uint32_t pid) const;
    // Path of the executable, without the kernel's " (deleted)"; empty for kernel threads and where reading
    // is refused.
    std::string exe(std::uint32_t pid) const;
    // The working directory; empty where it cannot be read.
    std::string cwd(std::uint32_t pid) const;
    // The text of /proc/PID/cgroup; empty where it cannot be read.
    std::string cgroup(std::uint32_t pid) const;

    // Calls `visit(pid)` for every process there is.
    template <class Visit>
    void each(Visit&& visit) const {
        for (const std::uint32_t pid : pids()) visit(pid);
    }

    // Nanoseconds of one tick of start_ticks.
    static std::uint64_t tick_ns();

  private:
    explicit Proc(OwnedFd root) : root_(std::move(root)) {}
    std::string read(std::uint32_t pid, const char* file) const;
    std::string link(std::uint32_t pid, const char* file) const;
    std::vector<std::uint32_t> pids() const;

    OwnedFd root_;
};

}  // namespace waggle::context
