// SPDX-License-Identifier: Apache-2.0
#include "agent/self.h"

#include <algorithm>
#include <cstring>

namespace waggle::agent {

const Schema& self_schema() {
    static constexpr Field fields[] = {
        WAGGLE_FIELD(self_record, time_ns, Unit::nanoseconds,
                     "When the loss was noticed, by the clock CLOCK_MONOTONIC."),
        WAGGLE_FIELD(self_record, sensor, Unit::none, "The sensor that lost records."),
        WAGGLE_FIELD(self_record, cause, Unit::none,
                     "Why: ring full, map full, unreadable record, table full."),
        WAGGLE_FIELD(self_record, count, Unit::count, "How many records were lost since the row before."),
    };
    static constexpr Schema schema = {
        "self", "Records that waggle lost, by cause.", sizeof(self_record), fields, false, 1};
    return schema;
}

Bytes self_row(RecordWriter<self_record>& writer, std::uint64_t time_ns, std::string_view sensor,
               std::string_view cause, std::uint64_t count) {
    writer.clear();
    writer.fixed.time_ns = time_ns;
    std::memcpy(writer.fixed.sensor, sensor.data(), std::min(sensor.size(), sizeof writer.fixed.sensor - 1));
    std::memcpy(writer.fixed.cause, cause.data(), std::min(cause.size(), sizeof writer.fixed.cause - 1));
    writer.fixed.count = count;
    return writer.finish();
}

}  // namespace waggle::agent
