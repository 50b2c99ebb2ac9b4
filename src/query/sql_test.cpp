// SPDX-License-Identifier: Apache-2.0
#include "query/sql.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "model/found_rows.h"
#include "query/histogram.h"
#include "query/testing/tables.h"
#include "query/window.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SqlTest : public ::testing::Test {
  protected:
    SqlTest() : sql(std::move(*Sql::open())) {
        names.set("drop_reason", 3, "NO_SOCKET");
        EXPECT_TRUE(sql.add(drops, {&names, nullptr}));
        EXPECT_TRUE(sql.add(sysctls, {}));
    }
    // The first cell as text, or the error.
    std::string ask(std::string_view query, std::span<const Sql::Parameter> parameters = {}) {
        const auto result = sql.query(query, parameters);
        if (!result) return "error: " + result.error().message;
        return result->rows.empty() ? "no rows" : result->rows[0][0].as_text();
    }

    Names names;
    Table drops{drop_schema, 1 << 20};
    Table sysctls{sysctl_schema, 1 << 16};
    Sql sql;
};

TEST_F(SqlTest, reads_every_type_of_column) {
    auto record = drop_record({.pid = 7, .comm = "nginx", .reason = 3, .port = 80, .rule = "tcp drop"});
    record.fixed.source = {4, {}, {192, 0, 2, 7}};
    record.fixed.late = 1;
    record.fixed.share = 12.5;
    drops.append(Row(drop_schema, record.finish()));
    const auto result =
        sql.query("SELECT pid, comm, reason, port, rule, source, late, share, exe, length(wait) FROM drops");
    ASSERT_TRUE(result) << result.error().message;
    std::vector<std::string> texts;
    for (const Cell& cell : result->rows.at(0)) texts.push_back(cell.as_text());
    EXPECT_THAT(
        texts, ElementsAre("7", "nginx", "NO_SOCKET", "80", "tcp drop", "192.0.2.7", "1", "12.5", "", "512"));
    EXPECT_TRUE(result->rows[0][8].is_null());
    EXPECT_EQ(result->columns[0].unit, Unit::identifier);
}

TEST_F(SqlTest, compares_a_named_number_by_its_name) {
    append(drops, {.reason = 3});
    append(drops, {.reason = 9});
    EXPECT_EQ(ask("SELECT count(*) FROM drops WHERE reason = 'NO_SOCKET'"), "1");
    EXPECT_EQ(ask("SELECT count(*) FROM drops WHERE reason = 9"), "1");
}

TEST_F(SqlTest, keeps_numbers_above_the_largest_signed_one) {
    auto record = drop_record({});
    record.fixed.big = UINT64_MAX;
    record.fixed.cookie = UINT64_MAX;
    drops.append(Row(drop_schema, record.finish()));
    EXPECT_EQ(ask("SELECT big > 9223372036854775807 FROM drops"), "1");
    EXPECT_EQ(ask("SELECT cookie FROM drops"), "18446744073709551615");
    EXPECT_EQ(ask("SELECT count(*) FROM drops a JOIN drops b ON a.cookie = b.cookie"), "1");
}

TEST_F(SqlTest, joins_events_with_facts) {
    append(drops, {.comm = "a", .count = 5});
    append(sysctls, "net.core.rmem_max", 212992);
    EXPECT_EQ(ask("SELECT value FROM drops, sysctls WHERE name = 'net.core.rmem_max'"), "212992");
}

TEST_F(SqlTest, gives_rows_in_the_order_they_came) {
    for (std::uint64_t i = 0; i < 10; ++i) append(drops, {.count = 10 - i});
    EXPECT_EQ(ask("SELECT group_concat(count) FROM (SELECT count FROM drops ORDER BY rowid)"),
              "10,9,8,7,6,5,4,3,2,1");
    EXPECT_EQ(ask("SELECT count FROM drops ORDER BY rowid DESC"), "1");
}

TEST_F(SqlTest, a_second_relation_of_the_same_name_replaces_the_first) {
    append(drops, {});
    Table other(drop_schema, 1 << 16);
    ASSERT_TRUE(sql.add(other, {}));
    EXPECT_EQ(ask("SELECT count(*) FROM drops"), "0");
}

TEST_F(SqlTest, names_the_nearest_column_table_and_function) {
    EXPECT_EQ(ask("SELECT reson FROM drops"), "error: no such column: reson; did you mean reason");
    EXPECT_EQ(sql.error_offset(), 7u);
    EXPECT_EQ(ask("SELECT d.cuont FROM drops d"), "error: no such column: d.cuont; did you mean count");
    EXPECT_EQ(ask("SELECT totl FROM (SELECT sum(count) AS total FROM drops)"),
              "error: no such column: totl; did you mean total");
    EXPECT_EQ(ask("SELECT 1 FROM drps"), "error: no such table: drps; did you mean drops");
    EXPECT_THAT(ask("SELECT hist_percentil(wait, 1) FROM drops"),
                HasSubstr("no such function: hist_percentil; did you mean hist_percentile"));
    EXPECT_THAT(ask("SELECT FROM drops"), HasSubstr("near \"FROM\": syntax error"));
}

TEST_F(SqlTest, text_in_double_quotes_is_never_a_text) {
    EXPECT_EQ(ask("SELECT count(*) FROM drops WHERE comm = \"nginx\""), "error: no such column: nginx");
}

TEST_F(SqlTest, can_only_read) {
    for (const std::string_view statement :
         {"DELETE FROM drops", "CREATE TABLE t(a)", "DROP TABLE drops", "ATTACH '/tmp/x' AS x", "BEGIN",
          "PRAGMA journal_mode=WAL", "PRAGMA temp_store_directory='/tmp'", "VACUUM INTO '/tmp/x'",
          "INSERT INTO sysctls VALUES (1, 'a')", "CREATE TEMP TABLE t AS SELECT 1", "ANALYZE", "REINDEX",
          "CREATE VIRTUAL TABLE x USING relation", "WITH x AS (SELECT 1) DELETE FROM drops", "hello",
          "UPDATE sqlite_schema SET sql = ''"})
        EXPECT_THAT(ask(statement), HasSubstr("error: ")) << statement;
    EXPECT_EQ(ask("DELETE FROM drops"), "error: only SELECT can be asked: the tables are read only");
    EXPECT_THAT(ask("SELECT load_extension('x')"), HasSubstr("error: "));
    EXPECT_EQ(ask("SELECT count(*) FROM sqlite_schema"), "2");
    EXPECT_EQ(ask("SELECT count(*) > 5 FROM pragma_table_info('drops')"), "1");
}

TEST_F(SqlTest, takes_one_statement) {
    EXPECT_EQ(ask("SELECT 1; -- and a comment\n ;"), "1");
    EXPECT_EQ(ask("SELECT 1; SELECT 2"), "error: only one statement can be asked at a time");
    EXPECT_EQ(ask("  -- nothing\n"), "error: the query is empty");
    EXPECT_EQ(ask(""), "error: the query is empty");
}

TEST_F(SqlTest, ends_a_query_that_takes_too_long) {
    sql.limit_time(std::chrono::milliseconds(50));
    const auto before = std::chrono::steady_clock::now();
    EXPECT_EQ(ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n"),
              "error: the query took longer than 0.05 s of a processor and was ended; narrow it with WHERE "
              "or LIMIT");
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(2));
    EXPECT_EQ(ask("SELECT 1"), "1") << "the next query is not hurt";
}

TEST_F(SqlTest, what_reading_the_system_takes_is_no_time_of_the_query) {
    class SlowFact final : public Relation {
      public:
        explicit SlowFact(const Table& rows) : rows_(rows) {}
        const Schema& schema() const override { return rows_.schema(); }
        std::unique_ptr<Cursor> open() const override {
            std::this_thread::sleep_for(std::chrono::milliseconds(300));
            return rows_.open();
        }
        std::uint64_t row_count() const override { return 0; }
        bool read_when_opened() const override { return true; }

      private:
        const Table& rows_;
    };
    append(sysctls, "net.core.rmem_max", 212992);
    const SlowFact slow(sysctls);
    ASSERT_TRUE(sql.add(slow, {}));
    sql.limit_time(std::chrono::milliseconds(100));
    constexpr std::string_view much =
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) "
        "SELECT count(*) FROM n)";
    EXPECT_EQ(ask(fmt::format("SELECT value + {} FROM sysctls", much)), "232992");
    EXPECT_THAT(
        ask("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n, sysctls"),
        HasSubstr("took longer than 0.1 s"))
        << "its own time is bounded as before";
}

TEST_F(SqlTest, either_of_two_values_finds_all_rows_once_where_rows_are_found_by_a_value) {
    class Found final : public Relation, public FindsRows {
      public:
        explicit Found(const Table& rows) : rows_(rows) {}
        const Schema& schema() const override { return rows_.schema(); }
        std::unique_ptr<Cursor> open() const override { return rows_.open(); }
        std::uint64_t row_count() const override { return rows_.row_count(); }
        bool read_when_opened() const override { return true; }
        std::unique_ptr<Cursor> open_where(const Field& field, std::int64_t value) const override {
            class Only final : public Cursor {
              public:
                Only(std::unique_ptr<Cursor> all, const Field& field, std::int64_t value)
                    : all_(std::move(all)), field_(field), value_(value) {}
                bool next(Row& row) override {
                    while (all_->next(row))
                        if (row.i64(field_) == value_) return true;
                    return false;
                }

              private:
                std::unique_ptr<Cursor> all_;
                const Field& field_;
                std::int64_t value_;
            };
            return std::make_unique<Only>(rows_.open(), field, value);
        }

      private:
        const Table& rows_;
    };
    append(drops, {.pid = 1, .port = 80});
    append(drops, {.pid = 2, .port = 7});
    append(drops, {.pid = 1, .port = 7});
    append(drops, {.pid = 3, .port = 9});
    const Found found(drops);
    Sql own = std::move(*Sql::open());
    ASSERT_TRUE(own.add(found, {}));
    const auto counted = own.query("SELECT count(*) FROM drops WHERE pid = 1 OR port = 7");
    ASSERT_TRUE(counted) << counted.error().message;
    EXPECT_EQ(counted->rows[0][0].as_text(), "3");
}

TEST_F(SqlTest, bounds_the_size_of_a_value) {
    EXPECT_THAT(ask("SELECT length(zeroblob(100000000))"), HasSubstr("larger than 16 MiB"));
}

TEST_F(SqlTest, says_when_there_are_more_rows) {
    for (int i = 0; i < 5; ++i) append(drops, {});
    const auto some = sql.query("SELECT count FROM drops", {}, 3);
    ASSERT_TRUE(some);
    EXPECT_EQ(some->rows.size(), 3u);
    EXPECT_TRUE(some->cut);
    EXPECT_FALSE(sql.query("SELECT count FROM drops", {}, 5)->cut);
}

// A statement is prepared once and asked again: with what the tables hold now, and with nothing left of
// before.
TEST_F(SqlTest, a_question_asked_again_sees_what_came_meanwhile) {
    const std::string_view query = "SELECT count(*), max(port) FROM drops WHERE port <> :port";
    const Sql::Parameter one[] = {{"port", {Value::Kind::integer, 1, 0, {}}}};
    const Sql::Parameter two[] = {{"port", {Value::Kind::integer, 2, 0, {}}}};
    EXPECT_EQ(ask(query, one), "0");
    for (std::uint16_t port = 1; port <= 300; ++port) {
        append(drops, {.port = port});
        EXPECT_EQ(ask(query, one), std::to_string(port - 1));
        EXPECT_EQ(ask(query, two), std::to_string(port == 1 ? 1 : port - 1));
    }
    EXPECT_THAT(ask(query), HasSubstr("needs a value for :port"));
    drops.clear();
    EXPECT_EQ(ask(query, one), "0");
}

TEST_F(SqlTest, a_question_asked_again_after_it_was_cut_begins_at_the_first_row) {
    for (std::uint16_t port = 1; port <= 5; ++port) append(drops, {.port = port});
    for (int i = 0; i < 2; ++i) {
        const auto result = sql.query("SELECT port FROM drops", {}, 2);
        ASSERT_TRUE(result);
        EXPECT_TRUE(result->cut);
        EXPECT_EQ(result->rows.front().front().integer, 1);
    }
}

TEST_F(SqlTest, a_question_asked_again_sees_the_relation_that_replaced_another) {
    append(drops, {.port = 1});
    EXPECT_EQ(ask("SELECT count(*) FROM drops"), "1");
    Table others{drop_schema, 1 << 20};
    ASSERT_TRUE(sql.add(others, {}));
    EXPECT_EQ(ask("SELECT count(*) FROM drops"), "0");
}

TEST_F(SqlTest, many_different_questions_are_answered) {
    append(drops, {.port = 1});
    for (int round = 0; round < 2; ++round)
        for (int i = 0; i < 100; ++i)
            EXPECT_EQ(ask("SELECT port + " + std::to_string(i) + " FROM drops"), std::to_string(1 + i));
}

TEST_F(SqlTest, binds_parameters_and_names_the_missing_one) {
    append(drops, {.comm = "o'brien"});
    const Sql::Parameter comm[] = {{"comm", cell("o'brien")}};
    EXPECT_EQ(ask("SELECT count(*) FROM drops WHERE comm = :comm", comm), "1");
    EXPECT_EQ(ask("SELECT :comm, :pid", comm), "error: the query needs a value for :pid");
    EXPECT_EQ(ask("SELECT ?"), "error: parameters are written :name, not ?");
}

TEST_F(SqlTest, a_name_cannot_leave_its_place_in_the_statement) {
    const std::string evil = "x' OR 1=1; DROP TABLE drops; --\n\x1b[2J\\";
    append(drops, {.comm = "innocent"});
    const Sql::Parameter parameters[] = {{"comm", cell(evil)}};
    const std::string_view query = "SELECT count(*) FROM drops WHERE comm = :comm -- :comm ':comm'";
    EXPECT_EQ(ask(query, parameters), "0");
    const auto expanded = sql.expand(query, parameters);
    ASSERT_TRUE(expanded);
    EXPECT_THAT(*expanded, HasSubstr("comm = CAST(x'7827204f52"));
    EXPECT_EQ(expanded->find('\x1b'), std::string::npos);
    EXPECT_EQ(ask(*expanded), "0");
}

TEST_F(SqlTest, an_expanded_statement_gives_the_same_rows) {
    const Sql::Parameter parameters[] = {{"i", cell(INT64_MIN)},
                                         {"r", cell(0.1)},
                                         {"whole", cell(3.0)},
                                         {"t", cell("it's :r \\ ok")},
                                         {"b", cell(std::string_view("\0\xff", 2), Value::Kind::blob)},
                                         {"n", Cell{}}};
    const std::string_view query = "SELECT :i, :r, :whole, :t, hex(:b), :n IS NULL, typeof(:whole)";
    const auto bound = sql.query(query, parameters);
    const auto written = sql.query(*sql.expand(query, parameters));
    ASSERT_TRUE(bound && written) << written.error().message;
    for (std::size_t i = 0; i < bound->columns.size(); ++i)
        EXPECT_EQ(bound->rows[0][i].as_text(), written->rows[0][i].as_text());
    EXPECT_EQ(written->rows[0][3].text, "it's :r \\ ok");
    EXPECT_FALSE(sql.expand("SELECT :unknown", parameters));
}

TEST_F(SqlTest, check_tells_what_a_statement_uses) {
    const auto uses = sql.check(
        "SELECT comm, sum(count) AS drops FROM drops d JOIN sysctls s ON s.name = :sysctl GROUP BY 1");
    ASSERT_TRUE(uses) << uses.error().message;
    EXPECT_THAT(uses->columns, ElementsAre("comm", "drops"));
    EXPECT_THAT(uses->parameters, ElementsAre("sysctl"));
    EXPECT_THAT(uses->tables, ElementsAre("drops", "sysctls"));
    EXPECT_THAT(sql.check("SELECT count(*) FROM drops")->tables, ElementsAre("drops"));
}

TEST_F(SqlTest, functions_can_be_added) {
    ASSERT_TRUE(sql.add_function(
        "shout", 1, [](std::span<const Cell> arguments) { return cell(arguments[0].as_text() + "!"); }));
    EXPECT_EQ(ask("SELECT shout('bee')"), "bee!");
}

TEST_F(SqlTest, knows_the_addresses_that_each_network_namespace_has_for_itself) {
    for (const char* own : {"127.0.0.1", "127.0.0.53", "::1"})
        EXPECT_EQ(ask(std::string("SELECT is_loopback('") + own + "')"), "1") << own;
    for (const char* other : {"192.0.2.127", "1270.0.0.1", "::", "::10", "2001:db8::1", ""})
        EXPECT_EQ(ask(std::string("SELECT is_loopback('") + other + "')"), "0") << other;
    EXPECT_EQ(ask("SELECT is_loopback(NULL) IS NULL"), "1");
    EXPECT_EQ(ask("SELECT in_brackets('2001:db8::1')"), "[2001:db8::1]");
    EXPECT_EQ(ask("SELECT in_brackets('192.0.2.1')"), "192.0.2.1");
    EXPECT_EQ(ask("SELECT in_brackets(NULL) IS NULL"), "1");
}

TEST_F(SqlTest, merges_histograms_and_reads_their_percentiles) {
    auto first = drop_record({});
    first.fixed.wait[3] = 90;  // 8..15
    auto second = drop_record({});
    second.fixed.wait[10] = 9;  // 1024..2047
    second.fixed.wait[20] = 1;
    drops.append(Row(drop_schema, first.finish()));
    drops.append(Row(drop_schema, second.finish()));
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 0.5) FROM drops"), "15");
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 0.90) FROM drops"), "15");
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 0.99) FROM drops"), "2047");
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 1) FROM drops"), "2097151");
    EXPECT_EQ(ask("SELECT hist_count(hist_merge(wait)) FROM drops"), "100");
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 0.5) IS NULL FROM drops WHERE 0"), "1");
    EXPECT_THAT(ask("SELECT hist_percentile(wait, 99) FROM drops"), HasSubstr("between 0 and 1"));
    EXPECT_THAT(ask("SELECT hist_percentile(comm, 0.5) FROM drops"), HasSubstr("not a histogram"));
}

struct Waits {
    __u64 number;
    waggle_histogram wait;
};
constexpr Field waits_fields[] = {
    WAGGLE_FIELD(Waits, number, Unit::none, "Which."),
    WAGGLE_FIELD(Waits, wait, Unit::nanoseconds, "How long."),
};
constexpr Schema waits_schema = {"waits", "Waits.", sizeof(Waits), waits_fields, false};

TEST_F(SqlTest, log_linear_histograms_merge_also_with_those_by_powers_of_two) {
    constexpr HistogramForm form = HistogramForm::log_linear(4, 36);
    Table waits(waits_schema, 1 << 16);
    ASSERT_TRUE(sql.add(waits, {}));
    for (const std::uint64_t value : {std::uint64_t{100'000}, std::uint64_t{5'000'000}, std::uint64_t{0}}) {
        std::vector<std::uint64_t> slots(form.slots());
        if (value) slots[form.slot_of(value)] = value == 100'000 ? 90 : 10;
        RecordWriter<Waits> record;
        record.fixed.number = value;
        record.histogram(&Waits::wait, Histogram(form, slots).blob());
        waits.append(Row(waits_schema, record.finish()));
    }
    const auto near = [&](std::string_view query, double right) {
        EXPECT_NEAR(std::strtod(ask(query).c_str(), nullptr), right, 0.032 * right) << query;
    };
    near("SELECT hist_percentile(wait, 0.5) FROM waits", 100'000);
    near("SELECT hist_percentile(wait, 0.9) FROM waits", 100'000);
    near("SELECT hist_percentile(wait, 0.95) FROM waits", 5'000'000);
    near("SELECT hist_percentile(all_of_it, 1) FROM (SELECT hist_merge(wait) AS all_of_it FROM waits)",
         5'000'000);
    EXPECT_EQ(ask("SELECT hist_count(hist_merge(wait)) FROM waits"), "100");
    EXPECT_EQ(ask("SELECT group_concat(hist_count(wait)) FROM waits"), "90,10,0");
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 0.5) IS NULL FROM waits WHERE number = 0"), "1");
    EXPECT_EQ(ask("SELECT hist_merge(wait) IS NULL FROM waits WHERE number = 0"), "1");
    auto old = drop_record({});
    old.fixed.wait[16] = 1000;  // 65,536 to 131,071
    drops.append(Row(drop_schema, old.finish()));
    EXPECT_EQ(ask("SELECT hist_percentile(wait, 0.5) FROM (SELECT wait FROM drops UNION ALL SELECT wait FROM "
                  "waits)"),
              "131071");
    EXPECT_EQ(ask("SELECT hist_count(hist_merge(wait)) FROM (SELECT wait FROM waits UNION ALL SELECT wait "
                  "FROM drops)"),
              "1100");
    EXPECT_THAT(ask("SELECT hist_count(CAST('1234567' AS BLOB))"), HasSubstr("not a histogram"));
}

TEST_F(SqlTest, the_window_is_a_table_of_one_row) {
    const WindowRelation window(Window{1'000'000'000, 3'500'000'000, 77});
    ASSERT_TRUE(sql.add(window, {}));
    EXPECT_EQ(ask("SELECT seconds FROM window"), "2.5");
    append(drops, {.count = 5});
    EXPECT_EQ(ask("SELECT count / w.seconds FROM drops, window w"), "2.0");
    EXPECT_EQ(ask("SELECT count(*) FROM window"), "1");
}

}  // namespace
}  // namespace waggle::explain
