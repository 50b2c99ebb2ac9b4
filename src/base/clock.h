// SPDX-License-Identifier: Apache-2.0
// Time as a parameter: live code passes SystemClock, replay and tests pass their own.
#pragma once

#include <cstdint>
#include <ctime>

namespace waggle {

class Clock {
  public:
    virtual ~Clock() = default;
    virtual std::uint64_t monotonic_ns() const = 0;  // CLOCK_MONOTONIC, the clock of every event's time_ns
    virtual std::uint64_t realtime_ns() const = 0;   // nanoseconds since 1970, UTC
};

class SystemClock final : public Clock {
  public:
    std::uint64_t monotonic_ns() const override { return read(CLOCK_MONOTONIC); }
    std::uint64_t realtime_ns() const override { return read(CLOCK_REALTIME); }

  private:
    static std::uint64_t read(clockid_t id) {
        timespec t{};
        clock_gettime(id, &t);
        return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
    }
};

}  // namespace waggle
