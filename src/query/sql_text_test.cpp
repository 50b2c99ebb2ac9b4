// SPDX-License-Identifier: Apache-2.0
#include "query/sql_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "query/testing/tables.h"

namespace waggle::explain {
namespace {

using samples::cell;
using ::testing::ElementsAre;

TEST(SqlText, finds_words_and_parameters_but_not_in_strings_or_comments) {
    std::vector<std::string> found;
    for (const SqlToken& token : sql_tokens("SELECT a.\"b c\", ':no', :yes -- :no\n/* :no */ FROM [t]"))
        if (token.kind != SqlToken::Kind::other) found.emplace_back(token.text);
    EXPECT_THAT(found, ElementsAre("SELECT", "a", "b c", ":yes", "FROM", "t"));
}

TEST(SqlText, survives_unfinished_strings_and_comments) {
    for (const std::string_view text : {"'", "\"", "[", "/*", "--", "'a''", ":", "a:", "`"})
        EXPECT_EQ(replace_parameters(text, [](std::string_view) { return "?"; }), text);
}

TEST(SqlText, writes_values_that_read_back_exactly) {
    EXPECT_EQ(sql_literal(Cell{}), "NULL");
    EXPECT_EQ(sql_literal(cell(std::int64_t{-5})), "-5");
    EXPECT_EQ(sql_literal(cell(2.0)), "2.0");
    EXPECT_EQ(sql_literal(cell(0.1)), "0.1");
    EXPECT_EQ(sql_literal(cell("it's")), "'it''s'");
    EXPECT_EQ(sql_literal(cell("a\\b")), "'a\\b'");
    EXPECT_EQ(sql_literal(cell("a\nb")), "CAST(x'610a62' AS TEXT)");
    EXPECT_EQ(sql_literal(cell("a", Value::Kind::blob)), "x'61'");
}

TEST(SqlText, knows_units_by_the_ends_of_names) {
    EXPECT_EQ(unit_of_name("device_ns"), Unit::nanoseconds);
    EXPECT_EQ(unit_of_name("time_ns"), Unit::identifier);
    EXPECT_EQ(unit_of_name("run_time_ns"), Unit::nanoseconds);
    EXPECT_EQ(unit_of_name("bytes"), Unit::bytes);
    EXPECT_EQ(unit_of_name("read_bytes_per_second"), Unit::bytes_per_second);
    EXPECT_EQ(unit_of_name("drops_per_second"), Unit::per_second);
    EXPECT_EQ(unit_of_name("busy_percent"), Unit::percent);
    EXPECT_EQ(unit_of_name("local_port"), Unit::identifier);
    EXPECT_EQ(unit_of_name("pid"), Unit::identifier);
    EXPECT_EQ(unit_of_name("packets"), Unit::count);
    EXPECT_EQ(unit_of_name("kibytes"), Unit::none);
}

TEST(Cell, reads_as_sql_would_cast_it) {
    EXPECT_EQ(cell(2.0).as_text(), "2.0");
    EXPECT_EQ(cell(std::int64_t{3}).as_text(), "3");
    EXPECT_EQ(cell("12 apples").number(), 12);
    EXPECT_EQ(Cell{}.as_text(), "");
}

}  // namespace
}  // namespace waggle::explain
