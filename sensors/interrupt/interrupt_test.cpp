// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "model/columns.h"
#include "model/histogram.h"
#include "model/record_writer.h"
#include "sensors/interrupt/interrupt.event.h"
#include "sensors/interrupt/interrupt.h"

namespace waggle::sensors {
namespace {

TEST(Interrupt, reads_each_kind_of_record_as_a_row_of_its_table) {
    const Source& source = interrupt_source;
    RecordWriter<interrupt_event> line;
    line.fixed.header.kind = interrupt_kind_line;
    line.fixed.cpu = 1;
    line.fixed.line = 41;
    std::memcpy(line.fixed.name, "virtio3-rx", 10);
    line.fixed.times = 7;
    Result<Row> row = source.read(line.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "interrupt");
    EXPECT_EQ(row->text("name"), "virtio3-rx");
    EXPECT_EQ(row->u64("line"), 41u);
    EXPECT_EQ(row->u64("times"), 7u);

    RecordWriter<interrupted_event> victim;
    victim.fixed.header.kind = interrupt_kind_victim;
    victim.fixed.header.pid = 42;
    victim.fixed.receive_ns = 9;
    row = source.read(victim.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "interrupted");
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->u64("receive_ns"), 9u);

    RecordWriter<net_poll_event> poll;
    poll.fixed.header.kind = interrupt_kind_poll;
    std::memcpy(poll.fixed.device, "eth0", 4);
    poll.fixed.full_polls = 3;
    row = source.read(poll.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "net_poll");
    EXPECT_EQ(row->text("device"), "eth0");
    EXPECT_EQ(row->u64("full_polls"), 3u);
}

// As the kernel side keeps it, with its slots behind.
TEST(Interrupt, a_softirq_row_carries_its_histogram_behind_it) {
    softirq_state state{};
    state.row.header.kind = interrupt_kind_softirq;
    state.row.header.size = sizeof state.row;
    state.row.kind = 3;
    state.row.times = 5;
    const HistogramForm form = HistogramForm::log_linear(INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END);
    ASSERT_EQ(form.slots(), std::size_t{INTERRUPT_SLOTS});
    state.slots[form.slot_of(1000)] = 4;
    state.slots[INTERRUPT_SLOTS - 1] = 1;
    HistogramPacker packer(interrupt_kind_softirq,
                           {WAGGLE_HISTOGRAM_PLACE(softirq_state, slots, row.duration_histogram,
                                                   INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END)});
    const Bytes value(reinterpret_cast<const std::byte*>(&state), sizeof state);
    const auto records = packer.pack({&value, 1});
    ASSERT_EQ(records.size(), 1u);
    const Source& source = interrupt_source;
    const Result<Row> row = source.read(records[0]);
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->u64("times"), 5u);
    HistogramReader reader(row->histogram(*row->schema().find("duration_histogram")));
    std::size_t slot = 0;
    std::uint64_t count = 0;
    ASSERT_TRUE(reader.next(slot, count));
    EXPECT_EQ(count, 4u);
    EXPECT_LE(form.lower_bound(slot), 1000u);
    EXPECT_GE(form.upper_bound(slot), 1000u);
    ASSERT_TRUE(reader.next(slot, count));
    EXPECT_TRUE(form.is_open(slot));
    EXPECT_FALSE(reader.next(slot, count));
}

TEST(Interrupt, refuses_a_truncated_record) {
    RecordWriter<softirq_event> record;
    record.fixed.header.kind = interrupt_kind_softirq;
    const Source& source = interrupt_source;
    EXPECT_FALSE(source.read(record.finish().first(sizeof(softirq_event) - 1)));
}

}  // namespace
}  // namespace waggle::sensors
