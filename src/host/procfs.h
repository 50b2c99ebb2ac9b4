// SPDX-License-Identifier: Apache-2.0
// Procfs: /proc read cheaply: paths relative to one open directory, one buffer for all files.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/owned_fd.h"

namespace waggle::facts {

// What /proc/PID/stat says.
struct ProcessStat {
    std::string_view comm;
    char state = '?';
    std::uint32_t parent_pid = 0;
    std::uint32_t session_id = 0;
    std::uint32_t terminal = 0;  // its number; 0 where it has none
    std::uint32_t threads = 0;
    std::uint64_t start_ns = 0;  // CLOCK_BOOTTIME, to 1/100 s
    std::uint64_t cpu_ns = 0;    // user and kernel time, to 1/100 s
    std::uint64_t rss_bytes = 0;
    bool kernel_thread = false;
};

// Of /proc/PID/cgroup: the v2 line "0::/path", else the deepest v1 one ("4:memory:/docker/…").
std::string_view cgroup_path(std::string_view file);

// False where `text` is not a stat line; `stat.comm` borrows from it.
bool parse_stat(std::string_view text, ProcessStat& stat);

// Nothing where without limit, or not known.
struct ResourceLimit {
    std::optional<std::int64_t> soft, hard;
};
// Of /proc/PID/limits, the line that begins with `name` ("Max open files").
ResourceLimit resource_limit(std::string_view file, std::string_view name);

class Procfs {
  public:
    explicit Procfs(std::string root);

    const std::string& root() const { return root_; }
    std::vector<std::uint32_t> pids() const;  // ascending
    // Each open file descriptor of a process and what it links to ("socket:[123]", "/var/log/syslog").
    void each_fd(std::uint32_t pid, const std::function<void(int fd, std::string_view target)>& visit) const;

    void each_fd_number(std::uint32_t pid, const std::function<void(int fd)>& visit) const;
    std::vector<std::uint32_t> threads(std::uint32_t pid) const;

    // Empty where it cannot be read. Valid until the next call on this object.
    std::string_view file(std::uint32_t pid, std::string_view name);
    std::string_view file(const char* path);
    std::string_view link(std::uint32_t pid, std::string_view name);
    std::string_view link(const char* path);

    std::string_view comm(std::uint32_t pid);

    // A process's limit: `resource` of prlimit(2), whose line in /proc/PID/limits begins with `name`. Asked of the kernel where it
    // may be, in a thirtieth of the time that the file takes.
    ResourceLimit limit(std::uint32_t pid, int resource, std::string_view name);

  private:
    std::string root_;
    OwnedFd directory_;
    std::string buffer_;
    bool own_numbers_;  // the processes have the numbers that they have for this one
};

// "4026531833" of "net:[4026531833]", "socket:[123]"; 0 where `link` does not start with `kind`.
std::uint64_t inode_of_link(std::string_view link, std::string_view kind);

}  // namespace waggle::facts
