// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "model/columns.h"
#include "model/histogram.h"
#include "model/record_writer.h"
#include "sensors/block_io/block_io.event.h"
#include "sensors/block_io/block_io.h"

namespace waggle::sensors {
namespace {

RecordWriter<block_io_event> a_read() {
    RecordWriter<block_io_event> record;
    block_io_event& event = record.fixed;
    event.header.pid = 42;
    event.header.time_ns = 1'000'000;
    std::memcpy(event.header.comm, "fio", 3);
    std::memcpy(event.device, "loop0", 5);
    event.major = 7;
    event.sector = 2048;
    event.bytes = 4096;
    event.queue_ns = 1500;
    event.device_ns = 80'000;
    event.depth = 32;
    event.flags = BLOCK_SYNC | BLOCK_META;
    event.error = 5;
    event.operation = 0;
    event.sequential = 1;
    event.direct = 1;
    return record;
}

TEST(BlockIo, reads_a_recorded_request_as_a_row) {
    auto record = a_read();
    const Source* sensor = &block_io_source;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "block_io");
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->text("comm"), "fio");
    EXPECT_EQ(row->text("device"), "loop0");
    EXPECT_EQ(row->u64("major"), 7u);
    EXPECT_EQ(row->u64("sector"), 2048u);
    EXPECT_EQ(row->u64("bytes"), 4096u);
    EXPECT_EQ(row->u64("queue_ns"), 1500u);
    EXPECT_EQ(row->u64("device_ns"), 80'000u);
    EXPECT_EQ(row->u64("depth"), 32u);
    EXPECT_EQ(row->u64("error"), 5u);
    EXPECT_EQ(row->u64("sequential"), 1u);
    EXPECT_EQ(row->u64("direct"), 1u);
}

TEST(BlockIo, a_total_keeps_its_histograms) {
    block_io_total_state state{};
    state.row.header.kind = 1;
    state.row.header.size = sizeof state.row;
    state.row.requests = 3;
    waggle_hist_count(state.device_slots, 80'000, BLOCK_TIME_UNIT, BLOCK_TIME_END);
    waggle_hist_count(state.device_slots, 80'001, BLOCK_TIME_UNIT, BLOCK_TIME_END);
    waggle_hist_count(state.device_slots, 1'000'000, BLOCK_TIME_UNIT, BLOCK_TIME_END);
    HistogramPacker packer(
        1, {WAGGLE_HISTOGRAM_PLACE(block_io_total_state, device_slots, row.device_histogram, BLOCK_TIME_UNIT,
                                   BLOCK_TIME_END)});
    const Bytes counted = bytes_of(state);
    const Source* sensor = &block_io_source;
    const Result<Row> row = sensor->read(packer.pack({&counted, 1})[0]);
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "block_io_total");
    EXPECT_EQ(row->u64("requests"), 3u);
    for (const Column& column : columns_of(row->schema())) {
        if (column.name != "device_histogram") continue;
        Value value;
        read_column(*row, column, {}, value);
        ASSERT_EQ(value.kind, Value::Kind::blob);
        HistogramReader reader(value.text);
        std::size_t slot = 0;
        std::uint64_t count = 0;
        ASSERT_TRUE(reader.next(slot, count));
        EXPECT_EQ(count, 2u);
        EXPECT_LE(reader.form().lower_bound(slot), 80'000u);
        EXPECT_GE(reader.form().upper_bound(slot), 80'001u);
        EXPECT_EQ(format_column(*row, column, {}), "3 values");
    }
}

TEST(BlockIo, a_device_row_is_cut_out_of_the_kernels_larger_value) {
    block_device_state state{};
    state.row.header.kind = 2;
    state.row.header.size = sizeof state.row;
    state.row.busy_ns = 900;
    state.row.covers_ns = 1000;
    state.changed_ns = 77;
    const Source* sensor = &block_io_source;
    const Result<Row> row = sensor->read(bytes_of(state));
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->bytes().size(), sizeof(block_device_event));
    EXPECT_EQ(row->u64("busy_ns"), 900u);
    EXPECT_EQ(row->u64("covers_ns"), 1000u);
}

TEST(BlockIo, refuses_a_truncated_event_of_any_length) {
    auto record = a_read();
    const Bytes whole = record.finish();
    const Source* sensor = &block_io_source;
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_FALSE(sensor->read(whole.first(length))) << length;
}

TEST(BlockIo, survives_every_flipped_bit) {
    const Source* sensor = &block_io_source;
    Names names;
    const Lookup lookup{&names, nullptr};
    auto record = a_read();
    const Bytes whole = record.finish();
    std::vector<std::uint64_t> copy((whole.size() + 7) / 8);
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::memcpy(copy.data(), whole.data(), whole.size());
        reinterpret_cast<unsigned char*>(copy.data())[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
        const Result<Row> row = sensor->read(std::as_bytes(std::span(copy)).first(whole.size()));
        if (!row) {
            ++refused;
            continue;
        }
        for (const Column& column : columns_of(row->schema())) {
            Value value;
            read_column(*row, column, lookup, value);
            format_column(*row, column, lookup);
        }
    }
    EXPECT_GE(refused, 16u + 30u);  // kinds that are none or larger, sizes that are not the record's
}

TEST(BlockIo, every_field_has_a_meaning_and_lies_in_its_record) {
    const Source* sensor = &block_io_source;
    for (const Schema* schema : sensor->schemas)
        for (const Field& field : schema->fields) {
            EXPECT_FALSE(field.meaning.empty()) << schema->name << "." << field.name;
            EXPECT_LE(field.offset + field.size, schema->size) << schema->name << "." << field.name;
        }
}

}  // namespace
}  // namespace waggle::sensors
