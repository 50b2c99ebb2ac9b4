// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>

#include "model/columns.h"
#include "model/record_writer.h"
#include "sensors/bpf_program/bpf_program.event.h"
#include "sensors/bpf_program/bpf_program.h"

namespace waggle::sensors {
namespace {

TEST(BpfProgram, reads_how_a_program_stands_as_a_row) {
    RecordWriter<bpf_program_state> record;
    record.fixed.header.kind = BPF_PROGRAM;
    record.fixed.header.pid = 42;
    record.fixed.id = 7;
    record.fixed.verified_instructions = null_i64;
    std::memcpy(record.fixed.hook, "sys_enter", 9);
    record.text(&bpf_program_state::pinned, "/sys/fs/bpf/guard");
    const Result<Row> row = bpf_program_source.read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->u64("id"), 7u);
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->text("hook"), "sys_enter");
    EXPECT_EQ(row->text("pinned"), "/sys/fs/bpf/guard");
}

TEST(BpfProgram, what_a_kernel_does_not_tell_is_null) {
    RecordWriter<bpf_program_state> record;
    record.fixed.header.kind = BPF_PROGRAM;
    record.fixed.verified_instructions = null_i64;
    const Result<Row> row = bpf_program_source.read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    int nulls = 0;
    for (const Column& column : columns_of(row->schema())) {
        if (column.name != "hook" && column.name != "hook_kind" && column.name != "verified_instructions" &&
            column.name != "pinned" && column.name != "name")
            continue;
        Value value;
        read_column(*row, column, {}, value);
        EXPECT_EQ(value.kind, Value::Kind::null) << column.name;
        ++nulls;
    }
    EXPECT_EQ(nulls, 5);
}

TEST(BpfProgram, refuses_a_truncated_record_of_each_kind) {
    RecordWriter<bpf_program_total> total;
    total.fixed.header.kind = BPF_PROGRAM_TOTAL;
    EXPECT_TRUE(bpf_program_source.read(total.finish()));
    EXPECT_FALSE(bpf_program_source.read(total.finish().first(sizeof(bpf_program_total) - 1)));
    RecordWriter<bpf_program_state> state;
    state.fixed.header.kind = BPF_PROGRAM;
    state.text(&bpf_program_state::pinned, "/sys/fs/bpf/guard");
    EXPECT_TRUE(bpf_program_source.read(state.finish()));
    EXPECT_FALSE(bpf_program_source.read(state.finish().first(sizeof(bpf_program_state) + 3)));
}

}  // namespace
}  // namespace waggle::sensors
