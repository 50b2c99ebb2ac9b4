// SPDX-License-Identifier: Apache-2.0
// ProcessDirectory: who a process is or was. Knows every process that ran when it was opened, learns the
// later ones from the rows of the sensor `process`, and keeps them after their end.
//
// A process is (pid, start_ns). /proc tells the start only to 1/100 s, so a start that came from there
// matches by ticks, and two exact ones match exactly: a reused pid never yields the one before it. What is asked
// for and not known is looked up in /proc; of a process already gone, what its cgroup tells.
//
// Holds the 16,384 subjects used last; the others are evicted and counted. Thread-safe: one lock, held for a
// look-up or one row. Source: /proc and the cgroup2 tree, both parameters; opening costs about 10 us for each
// process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "host/roots.h"
#include "model/row.h"
#include "model/subject.h"
#include "waggle/result.h"

namespace waggle::context {

class ProcessDirectory final : public Subjects {
  public:
    static constexpr std::size_t capacity = 16'384;

    // Looks at every process there is. Fails where there is no /proc. `clock` outlives the directory.
    static Result<ProcessDirectory> open(const Roots& roots, const Clock& clock);

    ProcessDirectory(ProcessDirectory&&) noexcept;
    ProcessDirectory& operator=(ProcessDirectory&&) noexcept;
    ~ProcessDirectory() override;

    // For one thread. Takes rows of process_exec, process_fork and process_exit, in the order they happened;
    // other rows are left alone. A child has its parent's cgroup, unit and container until it is seen
    // elsewhere.
    void learn(const Row& row);

    // with(): start_ns 0 means whoever has the pid now, or had it last where nobody has. cgroup_id 0 means
    // unknown.

    std::size_t size() const;
    std::uint64_t evicted() const;

  private:
    bool look_up(std::uint32_t pid, std::uint64_t start_ns, std::uint64_t cgroup_id, Visitor visit,
                 void* to) const override;
    struct State;
    explicit ProcessDirectory(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle::context
