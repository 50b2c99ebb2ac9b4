// SPDX-License-Identifier: Apache-2.0
// A fault that is there as long as this object: inject at its beginning, heal at its end, and also when this
// process dies.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "lab/fault.h"
#include "lab/process.h"
#include "lab/verdict.h"
#include "waggle/result.h"

namespace waggle::lab {

// inject ended with this code: the fault cannot be made on this machine, and it said why.
constexpr int exit_cannot = 77;

class Stage {
  public:
    struct Options {
        std::string lab;
        std::uint64_t seed = 0;
        std::chrono::seconds life{110};  // no program of the fault lives longer
        std::string watched;  // a file that appears once waggle watches, below the fault's own folder
                              // or absolute; empty: none will
    };

    // What came of an injection that failed: the fault is healed again when the error is there.
    struct Failure {
        std::string why;
        bool cannot = false;       // the machine lacks something: no defect of the fault
        bool interrupted = false;  // by `stop`
    };

    // Waits until the fault is there. `failure` says why it is not.
    static std::optional<Stage> set_up(const Fault& fault, const Options& options,
                                       const std::atomic<bool>& stop, Failure& failure);

    // The values and marks that inject (and what it left running) have said so far.
    Result<Injected> injected() const;
    // The folder in which the fault keeps what it made; it goes with the fault.
    const std::string& folder() const { return state_; }
    // For commands that belong to this fault: what they start is healed too.
    const Command& base() const { return base_; }
    // Whether the process was started by inject.
    bool owns_process(std::uint64_t pid) const;

    // Puts everything back; the error says what is left. Done once.
    Result<void> heal();

    Stage(Stage&&) = default;
    Stage& operator=(Stage&&) = delete;
    ~Stage() = default;  // its guard heals

  private:
    Stage(Command base, std::string state, Guard guard)
        : base_(std::move(base)), state_(std::move(state)), guard_(std::move(guard)) {}

    Command base_;
    std::string state_;
    Guard guard_;
};

}  // namespace waggle::lab
