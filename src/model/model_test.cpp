// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "model/columns.h"
#include "model/record_writer.h"
#include "model/row.h"
#include "model/source.h"
#include "model/table.h"

namespace waggle {
namespace {

struct number_record {
    __u64 value;
};
constexpr Field number_fields[] = {WAGGLE_FIELD(number_record, value, Unit::count, "A number.")};
constexpr Schema number_schema = {"number", "A number.", sizeof(number_record), number_fields, false};

void append_number(Table& table, std::uint64_t value) {
    const number_record record{value};
    table.append(Row(number_schema, {reinterpret_cast<const std::byte*>(&record), sizeof record}));
}

std::uint64_t rows_of(const Relation& relation) {
    std::uint64_t rows = 0;
    const std::unique_ptr<Cursor> cursor = relation.open();
    for (Row row; cursor->next(row);) ++rows;
    return rows;
}

struct sample_record {
    waggle_event header;
    __u64 counts[4];
    waggle_address source;
    __s64 delta;
    waggle_text path;
    double share;
    __s32 error;
    __u16 port;
    __u8 good;
    __u8 state;
};
constexpr Field sample_fields[] = {
    WAGGLE_HEADER_FIELDS(sample_record),
    WAGGLE_FIELD(sample_record, counts, Unit::nanoseconds, "A distribution."),
    WAGGLE_FIELD(sample_record, source, Unit::none, "From where."),
    WAGGLE_FIELD(sample_record, delta, Unit::count, "How many more.", trait_nullable),
    WAGGLE_FIELD(sample_record, path, Unit::none, "Which file."),
    WAGGLE_FIELD(sample_record, share, Unit::percent, "How much of it."),
    WAGGLE_FIELD(sample_record, error, Unit::none, "What went wrong."),
    WAGGLE_FIELD(sample_record, port, Unit::identifier, "Which port."),
    WAGGLE_FLAG(sample_record, good, "Whether it went well."),
    WAGGLE_FIELD(sample_record, state, Unit::none, "Its state.", trait_none, "states"),
};
constexpr Schema sample_schema = {"sample", "A sample.", sizeof(sample_record), sample_fields, true};
constexpr const Schema* schemas[] = {&sample_schema};

class ModelTest : public testing::Test {
  protected:
    ModelTest() {
        record.fixed.header.pid = 7;
        std::memcpy(record.fixed.header.comm, "bad\x1b", 4);
        record.fixed.counts[2] = 5;
        record.fixed.source = {4, {}, {192, 0, 2, 7}};
        record.fixed.delta = -3;
        record.fixed.share = 12.5;
        record.fixed.error = -28;
        record.fixed.port = 65535;
        record.fixed.good = 1;
        record.fixed.state = 2;
        record.text(&sample_record::path, "/tmp/x");
    }
    std::string said(std::string_view name, const Lookup& lookup = {}) {
        const Row row(sample_schema, record.finish());
        for (const Column& column : columns_of(sample_schema))
            if (column.name == name) return format_column(row, column, lookup);
        return "no such column";
    }
    RecordWriter<sample_record> record;
};

TEST_F(ModelTest, every_type_is_said_as_a_person_reads_it) {
    EXPECT_EQ(said("pid"), "7");
    EXPECT_EQ(said("comm"), "bad\\x1b");
    EXPECT_EQ(said("counts"), "5 values");
    EXPECT_EQ(said("source"), "192.0.2.7");
    EXPECT_EQ(said("delta"), "-3");
    EXPECT_EQ(said("path"), "/tmp/x");
    EXPECT_EQ(said("share"), "12 %");
    EXPECT_EQ(said("error"), "-28");
    EXPECT_EQ(said("port"), "65535");
    EXPECT_EQ(said("good"), "yes");
    EXPECT_EQ(said("state"), "2");
}

TEST_F(ModelTest, what_is_not_known_is_not_said) {
    record.fixed.delta = null_i64;
    record.fixed.source.family = 0;
    EXPECT_EQ(said("delta"), "");
    EXPECT_EQ(said("source"), "");
    EXPECT_EQ(said("exe"), "") << "nobody knows the subject";
}

TEST_F(ModelTest, a_number_with_a_dictionary_is_its_name) {
    Names names;
    int asked = 0;
    names.resolve_with("states", [&](std::uint64_t value) {
        ++asked;
        return value == 2 ? std::string("open") : std::string();
    });
    EXPECT_EQ(said("state", {&names, nullptr}), "open");
    EXPECT_EQ(said("state", {&names, nullptr}), "open");
    EXPECT_EQ(asked, 1) << "a name is looked up once";
    record.fixed.state = 9;
    EXPECT_EQ(said("state", {&names, nullptr}), "9");
}

TEST_F(ModelTest, an_ipv6_address_is_said_short) {
    record.fixed.source = {6, {}, {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    EXPECT_EQ(said("source"), "2001:db8::1");
}

TEST_F(ModelTest, a_record_is_read_only_when_it_is_whole) {
    const Bytes whole = record.finish();
    ASSERT_TRUE(read_record(schemas, whole));
    EXPECT_FALSE(read_record(schemas, whole.first(10)));
    EXPECT_FALSE(read_record(schemas, whole.first(whole.size() - 1))) << "it says it is longer";
    record.fixed.header.kind = 1;
    EXPECT_FALSE(read_record(schemas, record.finish())) << "unknown kind";
}

TEST_F(ModelTest, a_sources_schemas_stand_where_their_kinds_say) {
    constexpr SchemaOfKind swapped[] = {{1, nullptr}, {0, nullptr}}, gap[] = {{0, nullptr}, {2, nullptr}},
                           twice[] = {{0, nullptr}, {0, nullptr}}, late[] = {{1, nullptr}};
    EXPECT_TRUE(kinds_are_whole(swapped));
    EXPECT_FALSE(kinds_are_whole(gap));
    EXPECT_FALSE(kinds_are_whole(twice));
    EXPECT_FALSE(kinds_are_whole(late));
    static constexpr Schema other = {"other", "Another.", 0, {}, false};
    constexpr auto placed = schemas_by_kind({{1, &other}, {0, schemas[0]}});
    EXPECT_EQ(placed[0], schemas[0]);
    EXPECT_EQ(placed[1], &other);
}

TEST_F(ModelTest, a_text_that_points_outside_is_refused) {
    record.finish();
    record.fixed.path = {4000000000u, 10};
    EXPECT_FALSE(read_record(schemas, record.finish()));
    record.fixed.path = {sizeof(sample_record), 4000000000u};
    EXPECT_FALSE(read_record(schemas, record.finish()));
}

TEST_F(ModelTest, a_record_in_a_larger_slot_is_cut_to_its_size) {
    const Bytes whole = record.finish();
    std::vector<std::uint64_t> slot(whole.size() / 8 + 10);
    std::memcpy(slot.data(), whole.data(), whole.size());
    const auto row = read_record(schemas, std::as_bytes(std::span(slot)));
    ASSERT_TRUE(row);
    EXPECT_EQ(row->bytes().size(), whole.size());
    EXPECT_EQ(row->text("path"), "/tmp/x");
}

TEST_F(ModelTest, a_table_gives_rows_back_in_order) {
    Table table(sample_schema, 1u << 20);
    for (std::uint16_t i = 0; i < 1000; ++i) {
        record.fixed.port = i;
        table.append(Row(sample_schema, record.finish()));
    }
    EXPECT_EQ(table.row_count(), 1000u);
    std::uint64_t next = 0;
    auto cursor = table.open();
    for (Row row; cursor->next(row); ++next) ASSERT_EQ(row.u64("port"), next);
    EXPECT_EQ(next, 1000u);
    std::uint64_t visited = 0;
    table.each([&](const Row& row) { visited += row.text("path") == "/tmp/x" ? 1 : 0; });
    EXPECT_EQ(visited, 1000u);
}

TEST_F(ModelTest, a_full_table_lets_the_oldest_leave_and_counts_them) {
    Table table(sample_schema, 64u << 10);
    for (std::uint64_t i = 0; i < 10000; ++i) {
        record.fixed.header.time_ns = i;
        table.append(Row(sample_schema, record.finish()));
    }
    EXPECT_LE(table.held_bytes(), 64u << 10);
    EXPECT_EQ(table.appended(), 10000u);
    EXPECT_GT(table.evicted(), 0u);
    std::uint64_t rows = 0, last = 0;
    table.each([&](const Row& row) {
        ++rows;
        last = row.u64("time_ns");
    });
    EXPECT_EQ(rows, table.row_count());
    EXPECT_EQ(rows + table.evicted(), 10000u);
    EXPECT_EQ(last, 9999u) << "the newest stay";
}

TEST_F(ModelTest, a_record_larger_than_a_block_still_finds_room) {
    Table table(sample_schema, 8192);
    const std::string large(20000, 'x');
    record.text(&sample_record::path, large);
    table.append(Row(sample_schema, record.finish()));
    EXPECT_EQ(table.row_count(), 1u);
    table.each([&](const Row& row) { EXPECT_EQ(row.text("path").size(), large.size()); });
}

TEST(Table, a_snapshot_keeps_its_rows_whatever_comes_and_goes) {
    Table table(number_schema, 2 * 4096);
    for (std::uint64_t i = 0; i < 100; ++i) append_number(table, i);
    const Table::Snapshot before = table.snapshot();
    for (std::uint64_t i = 100; i < 10'000; ++i) append_number(table, i);
    EXPECT_GT(table.evicted(), 100u);
    std::uint64_t next = 0;
    before.each([&](const Row& row) { EXPECT_EQ(row.u64(number_fields[0]), next++); });
    EXPECT_EQ(next, 100u);
    EXPECT_EQ(before.row_count(), 100u);
}

TEST(Table, a_view_sees_the_rows_of_its_moment) {
    Table table(number_schema, 1 << 20);
    TableView view(table);
    append_number(table, 1);
    EXPECT_EQ(rows_of(view), 1u);
    view.begin_moment();
    append_number(table, 2);
    EXPECT_EQ(rows_of(view), 1u);
    EXPECT_EQ(view.row_count(), 1u);
    view.begin_moment();
    EXPECT_EQ(rows_of(view), 2u);
}

TEST(Table, what_is_replaced_is_replaced_at_once_and_not_counted_as_evicted) {
    Table table(number_schema, 1 << 20);
    const auto row_of = [](const std::uint64_t& number) { return Row(number_schema, bytes_of(number)); };
    const std::uint64_t first[] = {1, 2, 3}, second[] = {4, 5};
    table.replace(std::vector<Row>{row_of(first[0]), row_of(first[1]), row_of(first[2])});
    EXPECT_EQ(table.row_count(), 3u);
    const Table::Snapshot before = table.snapshot();
    table.replace(std::vector<Row>{row_of(second[0]), row_of(second[1])});
    EXPECT_EQ(before.row_count(), 3u) << "whoever looks keeps what it saw";
    EXPECT_EQ(table.row_count(), 2u);
    std::uint64_t sum = 0;
    table.each([&](const Row& row) { sum += row.u64(number_fields[0]); });
    EXPECT_EQ(sum, 9u);
    table.replace({});
    EXPECT_EQ(table.row_count(), 0u);
    EXPECT_EQ(table.evicted(), 0u);
}

TEST(Table, is_read_whole_while_another_thread_appends) {
    Table table(number_schema, 64 * 4096);
    std::atomic<bool> done{false};
    std::thread reader([&] {
        for (std::uint64_t i = 0; i < 200'000; ++i) append_number(table, i);
        done = true;
    });
    std::uint64_t looks = 0;
    do {
        std::uint64_t rows = 0, last = 0;
        bool in_order = true;
        table.snapshot().each([&](const Row& row) {
            const std::uint64_t value = row.u64(number_fields[0]);
            in_order &= rows++ == 0 || value == last + 1;
            last = value;
        });
        EXPECT_TRUE(in_order);
        ++looks;
    } while (!done);
    reader.join();
    EXPECT_GT(looks, 0u);
    EXPECT_EQ(table.appended(), 200'000u);
}

}  // namespace
}  // namespace waggle
