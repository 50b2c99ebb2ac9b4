// SPDX-License-Identifier: Apache-2.0
// BpftraceScript: the installed bpftrace at work on one script, as a child of this process. Nothing of it
// outlives this process, however that dies. One thread drives it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

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

    // Hands over each whole line that is there; those beyond 1 MiB are left out and counted. At most about
    // 1 MiB at once: true says to call again.
    bool read_lines(const std::function<void(std::string_view)>& line);
    // Until there is something to read, or it has ended. False: the time is over, or a signal came.
    bool wait(std::uint64_t timeout_ms) const;
    void ask_to_end();  // as Ctrl-C does: it prints its maps and ends
    void kill();

    bool ended() const { return ended_; }  // it said its last and is gone
    std::uint64_t lines_too_long() const { return lines_too_long_; }
    // Why it ended, where that was not its own wish: its first error, or its exit code. Empty while it runs.
    const std::string& failure() const { return failure_; }

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
    bool asked_ = false;
    bool ended_ = false;
};

}  // namespace waggle::sensors
