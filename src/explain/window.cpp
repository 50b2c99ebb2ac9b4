// SPDX-License-Identifier: Apache-2.0
#include "explain/window.h"

namespace waggle::explain {
namespace {

constexpr Field fields[] = {
    WAGGLE_FIELD(WindowRelation::Record, from_ns, Unit::nanoseconds,
                 "When the window began, by the clock CLOCK_MONOTONIC."),
    WAGGLE_FIELD(WindowRelation::Record, to_ns, Unit::nanoseconds,
                 "When the window ended, by the clock CLOCK_MONOTONIC."),
    WAGGLE_FIELD(WindowRelation::Record, from_realtime_ns, Unit::nanoseconds,
                 "When the window began, in nanoseconds since 1970, UTC."),
    WAGGLE_FIELD(WindowRelation::Record, seconds, Unit::seconds, "How long the window is."),
};

class WindowCursor final : public Cursor {
  public:
    explicit WindowCursor(const WindowRelation::Record& record) : record_(record) {}
    bool next(Row& row) override {
        if (done_) return false;
        done_ = true;
        row = Row(WindowRelation::window_schema(), bytes_of(record_));
        return true;
    }

  private:
    const WindowRelation::Record& record_;
    bool done_ = false;
};

}  // namespace

const Schema& WindowRelation::window_schema() {
    static constexpr Schema schema = {"window", "The time the question is about.", sizeof(Record), fields,
                                      false};
    return schema;
}

void WindowRelation::set(const Window& window) {
    record_ = {window.from_ns, window.to_ns, window.from_realtime_ns, window.seconds()};
}

std::unique_ptr<Cursor> WindowRelation::open() const { return std::make_unique<WindowCursor>(record_); }

}  // namespace waggle::explain
