// SPDX-License-Identifier: Apache-2.0
// Programs that the lab starts: what they print is kept, they end in time, and an interruption of ours
// reaches them.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::lab {

struct Command {
    std::vector<std::string> words;                                 // the program first
    std::vector<std::pair<std::string, std::string>> environment;   // added to our own
    std::chrono::milliseconds at_most = std::chrono::seconds(120);  // then it is killed
};

struct Outcome {
    int code = 0;  // 128 + the signal that ended it
    bool timed_out = false;
    bool interrupted = false;  // `stop` was set before it ended
    std::string out;
    std::string err;
};

// Runs the command in a process group of its own and waits for it. What it started in the background may live
// on; it does not hold us up. Once `stop` is set, the group gets SIGINT, and SIGKILL 3 s later.
Result<Outcome> run(const Command& command, const std::atomic<bool>& stop);

// A program that waits until this object ends or until this whole process dies, however it dies, and then
// does its work: what must be put back is put back.
class Guard {
  public:
    // `command` begins its work when finish() is called, and at the latest when we are gone.
    static Result<Guard> start(const Command& command);
    Guard(Guard&& other) noexcept;
    Guard& operator=(Guard&&) = delete;
    ~Guard();

    // Lets it work and waits for its end. The second call does nothing.
    Result<Outcome> finish();

  private:
    Guard() = default;
    pid_t pid_ = -1;
    OwnedFd line_;  // its standard input: open as long as we live
    OwnedFd out_, err_;
    std::chrono::milliseconds at_most_{};
};

}  // namespace waggle::lab
