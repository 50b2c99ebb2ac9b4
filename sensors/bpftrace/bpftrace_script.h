// SPDX-License-Identifier: Apache-2.0
// BpftraceScript: the installed bpftrace at work on one script, as a child of this process. Nothing of it
// outlives this process, however that dies. One thread drives it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::sensors {

class BpftraceScript {
  public:
    // Where bpftrace lies; empty: not installed.
    static std::string program();

    // Starts `bpftrace -f json file`. Where no tracefs is mounted it gets one in a mount namespace of its
    // own.
    static Result<BpftraceScript> start(const std::string& file);
    BpftraceScript(BpftraceScript&& other) noexcept;
    BpftraceScript& operator=(BpftraceScript&&) = delete;
    ~BpftraceScript();

    int fd() const { return out_.get(); }  // readable when it has said something, or has ended

    // Hands over each whole line that is there, at most about 1 MiB of them at once. A map is one line,
    // whatever its size; lines beyond 64 MiB are left out and counted.
    void read_lines(const std::function<void(std::string_view)>& line);
    // Whether there is something to read within this time, be it its end.
    bool wait(std::uint64_t timeout_ms) const;
    // As Ctrl-C does: it prints its maps and ends. Asked again each second, since it hears it only between two
    // events.
    void ask_to_end(std::uint64_t now_ns);

    bool ended() const { return ended_; }  // it said its last and is gone
    std::uint64_t lines_too_long() const { return lines_too_long_; }
    bool was_asked_to_end() const { return asked_ns_ != 0; }
    // Why it ended, where that was nobody's wish: its first error, or its exit code. Empty while it runs.
    const std::string& failure() const { return failure_; }
    // What it warned of, at most a few lines.
    std::vector<std::string> warnings() const;

  private:
    BpftraceScript() = default;
    void read_errors();
    void reap();

    pid_t pid_ = -1;
    OwnedFd out_, err_;
    std::string part_;    // of a line
    std::string errors_;  // the beginning of its stderr
    std::string failure_;
    std::uint64_t lines_too_long_ = 0;
    bool skipping_ = false;  // the rest of a line that is too long
    std::uint64_t asked_ns_ = 0;
    bool ended_ = false;
};

}  // namespace waggle::sensors
