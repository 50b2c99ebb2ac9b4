// SPDX-License-Identifier: Apache-2.0
// The table `window`: one row that says what time a question is about, so that rules can turn counts into
// rates and leave out older rows.
#pragma once

#include <memory>

#include "explain/finding.h"
#include "model/table.h"

namespace waggle::explain {

// Not thread-safe. The row is the window last set; before that all its fields are 0.
class WindowRelation final : public Relation {
  public:
    WindowRelation() = default;
    explicit WindowRelation(const Window& window) { set(window); }
    void set(const Window& window);

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
