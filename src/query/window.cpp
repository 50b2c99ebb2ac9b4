// SPDX-License-Identifier: Apache-2.0
#include "query/window.h"

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

Result<void> WindowRelation::add_to(Sql& sql) const {
    if (auto added = sql.add(*this, {}); !added) return added;
    return sql.add_function("in_window", 1, [this](std::span<const Cell> arguments) {
        Cell out;
        if (arguments[0].is_null()) return out;
        out.kind = Value::Kind::integer;
        out.integer = arguments[0].number() >= static_cast<double>(record_.from_ns) ? 1 : 0;
        if (arguments[0].kind == Value::Kind::integer)
            out.integer = arguments[0].integer >= static_cast<std::int64_t>(record_.from_ns) ? 1 : 0;
        return out;
    });
}

std::unique_ptr<Cursor> WindowRelation::open() const { return std::make_unique<WindowCursor>(record_); }

}  // namespace waggle::explain
