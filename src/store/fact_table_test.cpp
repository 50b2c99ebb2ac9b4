// SPDX-License-Identifier: Apache-2.0
#include "store/fact_table.h"

#include <gtest/gtest.h>

#include "model/columns.h"
#include "model/record_writer.h"

namespace waggle::agent {
namespace {

struct socket_fact {
    __u32 inode;
    __u32 reserved;
    __u64 drops;
    waggle_text owner;
};
constexpr Field socket_fields[] = {
    WAGGLE_FIELD(socket_fact, inode, Unit::identifier, "Which socket.", trait_key),
    WAGGLE_FIELD(socket_fact, drops, Unit::count, "Packets dropped.", trait_cumulative),
    WAGGLE_FIELD(socket_fact, owner, Unit::none, "Whose."),
};
constexpr Schema socket_schema = {"sockets", "A socket.", sizeof(socket_fact), socket_fields, false};

class ScriptedFact final : public facts::Fact {
  public:
    const Schema& schema() const override { return socket_schema; }
    Result<void> read(const facts::RowSink& sink) override {
        ++reads;
        for (const auto& [inode, drops] : now) {
            RecordWriter<socket_fact> record;
            record.fixed.inode = inode;
            record.fixed.drops = drops;
            record.text(&socket_fact::owner, "nginx");
            sink(Row(socket_schema, record.finish()));
        }
        if (fails) return Error{"half of it could not be read"};
        return {};
    }
    std::vector<std::pair<std::uint32_t, std::uint64_t>> now;
    int reads = 0;
    bool fails = false;
};

class FactTableTest : public testing::Test {
  protected:
    FactTableTest() {
        auto fact = std::make_unique<ScriptedFact>();
        fact_ = fact.get();
        table_ = std::make_unique<FactTable>(std::move(fact));
    }
    Row row(std::size_t index) {
        auto cursor = table_->open();
        Row out;
        for (std::size_t i = 0; i <= index; ++i) EXPECT_TRUE(cursor->next(out));
        return out;
    }
    Value column(const Row& row, std::string_view name) {
        Value value;
        for (const Column& column : columns_of(row.schema()))
            if (column.name == name) read_column(row, column, {}, value);
        return value;
    }
    ScriptedFact* fact_;
    std::unique_ptr<FactTable> table_;
};

TEST_F(FactTableTest, is_read_once_a_moment_and_only_when_opened) {
    table_->begin_moment(10, 0);
    EXPECT_EQ(fact_->reads, 0);
    table_->open();
    table_->open();
    EXPECT_EQ(fact_->reads, 1);
    table_->begin_moment(20, 0);
    table_->open();
    EXPECT_EQ(fact_->reads, 2);
}

TEST_F(FactTableTest, the_first_reading_knows_no_delta_and_says_so) {
    fact_->now = {{1, 100}};
    table_->begin_moment(1'000'000'000, 0);
    EXPECT_EQ(column(row(0), "drops_delta").kind, Value::Kind::null);
}

TEST_F(FactTableTest, a_later_reading_gives_what_was_added_and_over_which_time) {
    fact_->now = {{1, 100}};
    table_->begin_moment(1'000'000'000, 0);
    table_->open();
    fact_->now = {{1, 130}, {2, 7}};
    table_->begin_moment(3'000'000'000, 500'000'000);
    EXPECT_EQ(column(row(0), "drops_delta").integer, 30);
    EXPECT_EQ(column(row(0), "delta_seconds").real, 2.0);
    EXPECT_EQ(column(row(1), "drops_delta").integer, 7)
        << "a new socket has dropped all it has since the last reading";
    EXPECT_EQ(column(row(1), "owner").text, "nginx") << "texts move with the widened record";
}

// The seconds between two readings, not those between their moments: a rate is no higher because the second was late.
TEST_F(FactTableTest, a_reading_that_is_late_covers_the_longer_time) {
    class HeldClock final : public Clock {
      public:
        std::uint64_t monotonic_ns() const override { return now_ns; }
        std::uint64_t realtime_ns() const override { return now_ns; }
        std::uint64_t now_ns = 0;
    } clock;
    auto fact = std::make_unique<ScriptedFact>();
    fact->now = {{1, 100}};
    FactTable table(std::move(fact), nullptr, &clock);
    clock.now_ns = 1'500'000'000;
    table.begin_moment(1'000'000'000, 0);
    table.read();
    clock.now_ns = 9'000'000'000;
    table.begin_moment(7'000'000'000, 500'000'000);
    auto cursor = table.open();
    Row row;
    ASSERT_TRUE(cursor->next(row));
    EXPECT_EQ(column(row, "delta_seconds").real, 7.5);
}

TEST_F(FactTableTest, a_reading_older_than_asked_for_is_no_base) {
    fact_->now = {{1, 100}};
    table_->begin_moment(1'000'000'000, 0);
    table_->open();
    table_->begin_moment(90'000'000'000, 80'000'000'000);
    EXPECT_EQ(column(row(0), "drops_delta").kind, Value::Kind::null);
}

TEST_F(FactTableTest, a_counter_that_fell_was_reset) {
    fact_->now = {{1, 100}};
    table_->begin_moment(1, 0);
    table_->open();
    fact_->now = {{1, 5}};
    table_->begin_moment(2, 0);
    EXPECT_EQ(column(row(0), "drops_delta").integer, 5);
}

TEST_F(FactTableTest, a_row_is_known_again_wherever_it_stands) {
    fact_->now = {{1, 100}, {2, 200}, {3, 300}};
    table_->begin_moment(1'000'000'000, 0);
    table_->open();
    fact_->now = {{3, 301}, {4, 7}, {1, 104}, {2, 202}};
    table_->begin_moment(2'000'000'000, 0);
    EXPECT_EQ(column(row(0), "drops_delta").integer, 1);
    EXPECT_EQ(column(row(1), "drops_delta").integer, 7);
    EXPECT_EQ(column(row(2), "drops_delta").integer, 4);
    EXPECT_EQ(column(row(3), "drops_delta").integer, 2);
}

TEST_F(FactTableTest, rows_of_one_value_are_found_without_the_others_and_are_those_of_the_moment) {
    const auto drops_where = [&](std::int64_t inode) {
        std::vector<std::uint64_t> drops;
        const auto cursor = table_->open_where(socket_fields[0], inode);
        for (Row row; cursor->next(row);) drops.push_back(row.u64("drops"));
        return drops;
    };
    fact_->now = {{1, 100}, {2, 200}, {1, 300}};
    table_->begin_moment(1'000'000'000, 0);
    EXPECT_EQ(drops_where(1), (std::vector<std::uint64_t>{100, 300}));
    EXPECT_TRUE(drops_where(3).empty());
    EXPECT_EQ(fact_->reads, 1);
    fact_->now = {{1, 5}};
    table_->begin_moment(2'000'000'000, 0);
    EXPECT_EQ(drops_where(1), std::vector<std::uint64_t>{5});
}

TEST_F(FactTableTest, several_are_read_together_and_each_only_once_a_moment) {
    auto other_fact = std::make_unique<ScriptedFact>();
    ScriptedFact* other = other_fact.get();
    const FactTable other_table(std::move(other_fact));
    fact_->now = {{1, 100}};
    fact_->fails = true;
    other->now = {{7, 1}, {8, 2}};
    table_->begin_moment(1, 0);
    table_->open();
    facts::NamespaceTour tour;
    const FactTable* const both[] = {table_.get(), &other_table};
    FactTable::read_together(both, tour);
    EXPECT_EQ(fact_->reads, 1);
    EXPECT_EQ(other->reads, 1);
    EXPECT_EQ(other_table.row_count(), 2u);
    EXPECT_EQ(table_->problem(), "half of it could not be read");
    EXPECT_EQ(other_table.problem(), "");
}

TEST_F(FactTableTest, rows_that_have_no_room_are_said) {
    for (std::uint32_t i = 0; i < 600'000; ++i) fact_->now.emplace_back(i, i);
    table_->begin_moment(1, 0);
    table_->open();
    EXPECT_NE(table_->problem().find("are missing"), std::string::npos) << table_->problem();
}

TEST_F(FactTableTest, rows_before_a_failure_stay_and_the_problem_is_said) {
    fact_->now = {{1, 100}};
    fact_->fails = true;
    table_->begin_moment(1, 0);
    EXPECT_EQ(row(0).u64("inode"), 1u);
    EXPECT_EQ(table_->problem(), "half of it could not be read");
}

}  // namespace
}  // namespace waggle::agent
