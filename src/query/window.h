// SPDX-License-Identifier: Apache-2.0
// The table `window`: one row that says what time a question is about, so that rules can turn counts into
// rates and leave out older rows.
#pragma once

#include <cstdint>
#include <memory>

#include "model/table.h"
#include "query/sql.h"

namespace waggle::explain {

struct Window {
    std::uint64_t from_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t to_ns = 0;
    std::uint64_t from_realtime_ns = 0;  // nanoseconds since 1970, UTC
    std::uint64_t to_realtime_ns() const { return from_realtime_ns + (to_ns - from_ns); }
    double seconds() const { return static_cast<double>(to_ns - from_ns) / 1e9; }
};

// Not thread-safe. The row is the window last set; before that all its fields are 0.
class WindowRelation final : public Relation {
  public:
    WindowRelation() = default;
    explicit WindowRelation(const Window& window) { set(window); }
    void set(const Window& window);
    // As the table `window`, and as the function in_window(time_ns): whether a time is not before the window.
    // Outlives `sql`.
    Result<void> add_to(Sql& sql) const;

    static const Schema& window_schema();
    const Schema& schema() const override { return window_schema(); }
    std::unique_ptr<Cursor> open() const override;
    std::uint64_t row_count() const override { return 1; }

    struct Record {
        __u64 from_ns;
        __u64 to_ns;
        __u64 from_realtime_ns;
        double seconds;
    };

  private:
    Record record_{};
};

}  // namespace waggle::explain
