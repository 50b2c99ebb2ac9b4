// SPDX-License-Identifier: Apache-2.0
// QueryTime: when the query that runs has had its time.
#pragma once

#include <chrono>

#include "query/cost_meter.h"

namespace waggle::explain {

// On a machine that is too busy, which is when people ask, a query waits longer than it works. So its time is what its
// thread had of a processor, and no more than six times as long may pass.
class QueryTime {
    using Wall = std::chrono::steady_clock;

  public:
    void begin(std::chrono::milliseconds most) {
        processor_end_ = processor_time() + most;
        end_ = Wall::now() + most * most_waiting;
        runs_ = true;
    }
    void end() { runs_ = false; }
    bool is_over() const { return runs_ && (processor_time() >= processor_end_ || Wall::now() >= end_); }

    // What `work` takes, as reading the system does, is no time of the query's own.
    template <typename Work>
    auto leave_out(const Work& work) {
        const auto processor_began = processor_time();
        const auto began = Wall::now();
        auto result = work();
        processor_end_ += processor_time() - processor_began;
        end_ += Wall::now() - began;
        return result;
    }

  private:
    static constexpr int most_waiting = 6;
    static std::chrono::nanoseconds processor_time() { return std::chrono::nanoseconds(processor_time_ns()); }

    bool runs_ = false;
    std::chrono::nanoseconds processor_end_{};
    Wall::time_point end_{};
};

}  // namespace waggle::explain
