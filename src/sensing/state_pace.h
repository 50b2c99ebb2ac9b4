// SPDX-License-Identifier: Apache-2.0
// StatePace: how often a source reads how things stand. A large state (thousands of entries, stacks to name) takes a
// while to read: never more than a twentieth of the time.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace waggle::sensors {

class StatePace {
  public:
    // Calls `read`, unless what it took last is not yet a twentieth of the time since.
    template <class Read>
    void pace(const Read& read) {
        const SystemClock clock;
        const std::uint64_t began_ns = clock.monotonic_ns();
        if (began_ns < next_ns_) return;
        read();
        const std::uint64_t ended_ns = clock.monotonic_ns();
        next_ns_ = ended_ns + (ended_ns - began_ns) * share;
    }
    void read_next() { next_ns_ = 0; }  // whatever it took

  private:
    static constexpr std::uint64_t share = 20;
    std::uint64_t next_ns_ = 0;
};

}  // namespace waggle::sensors
