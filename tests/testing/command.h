// SPDX-License-Identifier: Apache-2.0
// Commands as a test runs them: by the shell, to their end.
#pragma once

#include <sys/wait.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "places.h"

namespace waggle::test {

struct Outcome {
    int code = -1;  // -1 where it did not exit by itself
    std::string text;
};

// Its standard output; with " 2>&1" in the command what it said of errors, too.
inline Outcome outcome_of(const std::string& command) {
    Outcome outcome;
    FILE* pipe = ::popen(command.c_str(), "r");
    char part[4096];
    for (std::size_t got = 0; pipe && (got = std::fread(part, 1, sizeof part, pipe)) > 0;)
        outcome.text.append(part, got);
    const int status = pipe ? ::pclose(pipe) : -1;
    if (status != -1 && WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
    return outcome;
}

// This build's waggle.
inline std::string waggle_command(const std::string& arguments) {
    return WAGGLE_BINARY_DIR "/bin/waggle " + arguments;
}

// Does something again and again in a thread of its own while this lives.
class Meanwhile {
  public:
    explicit Meanwhile(std::function<void()> once)
        : thread_([this, once = std::move(once)] {
              while (!done_) once();
          }) {}
    Meanwhile(const Meanwhile&) = delete;
    Meanwhile& operator=(const Meanwhile&) = delete;
    ~Meanwhile() {
        done_ = true;
        thread_.join();
    }

  private:
    std::atomic<bool> done_{false};
    std::thread thread_;
};

}  // namespace waggle::test
