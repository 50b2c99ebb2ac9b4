// SPDX-License-Identifier: Apache-2.0
#include "sensors/process/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/columns.h"
#include "model/record_writer.h"
#include "sensors/process/process.event.h"

namespace waggle::sensors {
namespace {

using testing::HasSubstr;

RecordWriter<process_exec_event> exec_of(std::string_view exe, std::string_view arguments) {
    RecordWriter<process_exec_event> record;
    record.fixed.header.kind = PROCESS_EXEC;
    record.fixed.header.pid = 42;
    record.fixed.header.start_ns = 7'000'000'001;
    record.fixed.parent_pid = 1;
    record.text(&process_exec_event::arguments, arguments);
    record.text(&process_exec_event::exe, exe);
    return record;
}

TEST(Process, reads_a_recorded_exec_as_a_row) {
    const Source* sensor = &process_source;
    auto record = exec_of("/usr/sbin/nginx", "nginx -g daemon off;");
    record.fixed.arguments_bytes = 20;
    record.fixed.uid = 33;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "process_exec");
    EXPECT_EQ(row->text("exe"), "/usr/sbin/nginx");
    EXPECT_EQ(row->text("arguments"), "nginx -g daemon off;");
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->u64("start_ns"), 7'000'000'001u);
    EXPECT_EQ(row->u64("parent_pid"), 1u);
    EXPECT_EQ(row->u64("uid"), 33u);
    EXPECT_EQ(row->u64("arguments_bytes"), 20u);
    EXPECT_EQ(row->u64("truncated"), 0u);
}

TEST(Process, reads_a_recorded_exit_as_a_row) {
    const Source* sensor = &process_source;
    RecordWriter<process_exit_event> record;
    record.fixed.header.kind = PROCESS_EXIT;
    record.fixed.signal = 11;
    record.fixed.core_dumped = 1;
    record.fixed.executed = 1;
    record.fixed.ran_ns = 1'500'000;
    record.fixed.peak_rss_bytes = 4096;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "process_exit");
    EXPECT_EQ(row->u64("signal"), 11u);
    EXPECT_EQ(row->u64("core_dumped"), 1u);
    EXPECT_EQ(row->u64("executed"), 1u);
    EXPECT_EQ(row->u64("ran_ns"), 1'500'000u);
    EXPECT_EQ(row->u64("peak_rss_bytes"), 4096u);
}

TEST(Process, reads_a_recorded_fork_as_a_row_of_the_child) {
    const Source* sensor = &process_source;
    RecordWriter<process_fork_event> record;
    record.fixed.header.kind = PROCESS_FORK;
    record.fixed.header.pid = 43;
    record.fixed.parent_pid = 42;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "process_fork");
    EXPECT_EQ(row->u64("pid"), 43u);
    EXPECT_EQ(row->u64("parent_pid"), 42u);
}

TEST(Process, reads_a_recorded_signal_as_a_row_of_who_sent_it) {
    const Source* sensor = &process_source;
    RecordWriter<process_signal_event> record;
    record.fixed.header.kind = PROCESS_SIGNAL;
    record.fixed.header.pid = 44;
    record.fixed.signal = 15;
    record.fixed.target_pid = 42;
    record.fixed.outcome = SIGNAL_IGNORED;
    record.fixed.parent_pid = 40;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "process_signal");
    EXPECT_EQ(row->u64("pid"), 44u);
    EXPECT_EQ(row->u64("signal"), 15u);
    EXPECT_EQ(row->u64("target_pid"), 42u);
    EXPECT_EQ(row->u64("outcome"), 1u);
    EXPECT_EQ(row->u64("parent_pid"), 40u);
}

TEST(Process, cuts_a_record_to_its_own_size) {
    const Source* sensor = &process_source;
    auto record = exec_of("/bin/true", "true");
    const Bytes whole = record.finish();
    std::vector<std::uint64_t> slot(200, 0x4141414141414141);
    std::memcpy(slot.data(), whole.data(), whole.size());
    const Result<Row> row = sensor->read(std::as_bytes(std::span(slot)));
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->bytes().size(), whole.size());
    EXPECT_EQ(row->text("exe"), "/bin/true");
}

TEST(Process, refuses_every_truncation_of_every_record) {
    const Source* sensor = &process_source;
    auto exec = exec_of("/bin/true", "true");
    RecordWriter<process_fork_event> fork;
    fork.fixed.header.kind = PROCESS_FORK;
    RecordWriter<process_exit_event> exit;
    exit.fixed.header.kind = PROCESS_EXIT;
    RecordWriter<process_exec_failure_event> failure;
    failure.fixed.header.kind = PROCESS_EXEC_FAILURE;
    failure.text(&process_exec_failure_event::path, "/opt/shop");
    RecordWriter<process_signal_event> signal;
    signal.fixed.header.kind = PROCESS_SIGNAL;
    for (const Bytes whole : {exec.finish(), fork.finish(), exit.finish(), failure.finish(), signal.finish()})
        for (std::size_t length = 0; length < whole.size(); ++length)
            EXPECT_FALSE(sensor->read(whole.first(length))) << length << " of " << whole.size();
}

TEST(Process, refuses_a_kind_it_does_not_have) {
    const Source* sensor = &process_source;
    RecordWriter<process_exit_event> record;
    record.fixed.header.kind = 7;
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_FALSE(row);
    EXPECT_THAT(row.error().message, HasSubstr("kind 7"));
}

// Whatever bit is wrong: an error, or a row whose every column can be said without leaving the record.
TEST(Process, stays_inside_the_record_whatever_bit_is_flipped) {
    const Source* sensor = &process_source;
    auto record = exec_of("/bin/true", "true \x1b[31m");
    const Bytes good = record.finish();
    std::size_t refused = 0;
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        std::vector<std::uint64_t> copy((good.size() + 7) / 8);
        auto* bytes = reinterpret_cast<std::byte*>(copy.data());
        std::memcpy(bytes, good.data(), good.size());
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        const Result<Row> row = sensor->read({bytes, good.size()});
        if (!row) {
            ++refused;
            continue;
        }
        for (const Column& column : columns_of(row->schema())) {
            const std::string said = format_column(*row, column, {});
            EXPECT_EQ(said.find('\x1b'), std::string::npos);
        }
    }
    EXPECT_GE(refused, 32u);  // at least the text offsets' high bits
}

TEST(Process, says_control_characters_escaped) {
    const Source* sensor = &process_source;
    auto record = exec_of("/tmp/a\nb", "x \x1b]0;title\x07");
    const Result<Row> row = sensor->read(record.finish());
    ASSERT_TRUE(row);
    EXPECT_EQ(row->text("arguments"), "x \x1b]0;title\x07");
    for (const Column& column : columns_of(row->schema())) {
        const std::string said = format_column(*row, column, {});
        if (column.name == "arguments") {
            EXPECT_EQ(said, "x \\x1b]0;title\\x07");
        }
        if (column.name == "exe") {
            EXPECT_EQ(said, "/tmp/a\\x0ab");
        }
    }
}

}  // namespace
}  // namespace waggle::sensors
