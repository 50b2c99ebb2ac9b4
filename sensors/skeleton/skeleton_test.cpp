// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "model/columns.h"
#include "model/record_writer.h"
#include "sensors/skeleton/skeleton.event.h"
#include "sensors/skeleton/skeleton.h"

namespace waggle::sensors {
namespace {

TEST(Skeleton, reads_a_recorded_event_as_a_row) {
    RecordWriter<skeleton_event> record;
    record.fixed.header.pid = 42;
    std::memcpy(record.fixed.new_comm, "worker", 6);
    const Source* sensor = &skeleton_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->text("new_comm"), "worker");
}

TEST(Skeleton, refuses_a_truncated_event) {
    RecordWriter<skeleton_event> record;
    const Source* sensor = &skeleton_source;
    EXPECT_FALSE(sensor->read(record.finish().first(sizeof(skeleton_event) - 1)));
}

}  // namespace
}  // namespace waggle::sensors
