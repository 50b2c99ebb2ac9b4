// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "model/columns.h"
#include "model/record_writer.h"
#include "sensors/tcp/tcp.event.h"
#include "sensors/tcp/tcp.h"

namespace waggle::sensors {
namespace {

TEST(Tcp, reads_a_recorded_connection_as_a_row) {
    RecordWriter<tcp_connection_event> record;
    record.fixed.header.kind = tcp_kind_connection;
    record.fixed.header.pid = 42;
    record.fixed.remote_address.family = 4;
    record.fixed.remote_address.bytes[0] = 192;
    record.fixed.remote_address.bytes[2] = 2;
    record.fixed.remote_address.bytes[3] = 7;
    record.fixed.remote_port = 443;
    record.fixed.sent_bytes = 1234;
    const Result<Row> row = tcp_source.read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "tcp_connection");
    EXPECT_EQ(row->u64("pid"), 42u);
    EXPECT_EQ(row->u64("remote_port"), 443u);
    EXPECT_EQ(row->u64("sent_bytes"), 1234u);
    for (const Column& column : columns_of(row->schema())) {
        if (column.name == "remote_address") {
            EXPECT_EQ(format_column(*row, column, {}), "192.0.2.7");
        }
    }
}

TEST(Tcp, reads_a_recorded_moment_as_a_row_of_its_table) {
    RecordWriter<tcp_moment_event> record;
    record.fixed.header.kind = tcp_kind_state;
    record.fixed.before = 2;
    record.fixed.after = 1;
    record.fixed.took_ns = 77;
    const Result<Row> row = tcp_source.read(record.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->schema().name, "tcp_state");
    EXPECT_EQ(row->u64("before"), 2u);
    EXPECT_EQ(row->u64("after"), 1u);
    EXPECT_EQ(row->u64("state_ns"), 77u);
    record.fixed.header.kind = tcp_kind_retransmit;
    record.fixed.what = tcp_again_fast;
    const Result<Row> other = tcp_source.read(record.finish());
    ASSERT_TRUE(other);
    EXPECT_EQ(other->schema().name, "tcp_retransmit");
    EXPECT_EQ(other->u64("cause"), std::uint64_t{tcp_again_fast});
}

TEST(Tcp, only_tables_that_are_named_are_made_besides) {
    const std::vector<std::string> none, two = {"tcp_state", "tcp_connection", "no_table_of_tcp"};
    EXPECT_EQ(kinds_named(tcp_source.schemas, none), 0u);
    EXPECT_EQ(kinds_named(tcp_source.schemas, two), 1u << tcp_kind_state | 1u << tcp_kind_connection);
}

TEST(Tcp, refuses_a_truncated_record_of_either_kind) {
    RecordWriter<tcp_connection_event> connection;
    EXPECT_FALSE(tcp_source.read(connection.finish().first(sizeof(tcp_connection_event) - 1)));
    RecordWriter<tcp_total_event> total;
    total.fixed.header.kind = tcp_kind_total;
    EXPECT_FALSE(tcp_source.read(total.finish().first(sizeof(tcp_total_event) - 1)));
}

}  // namespace
}  // namespace waggle::sensors
