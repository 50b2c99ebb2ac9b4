// SPDX-License-Identifier: Apache-2.0
#include "sensing/made_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/columns.h"

namespace waggle::sensors {
namespace {

using testing::ElementsAre;

std::vector<std::string> names_of(const MadeSchema& made) {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < made.fields(); ++i) out.emplace_back(made.name_of(i));
    return out;
}

TEST(MadeSchema, its_records_are_read_as_rows) {
    MadeSchema made("seen", "What was seen.", {.kind = 1, .of_process = true});
    const std::size_t size = made.add("size", Type::u64, {.meaning = "How large.", .unit = Unit::bytes});
    const std::size_t left = made.add("left", Type::i64, {.meaning = "What is left."});
    const std::size_t path = made.add("path", Type::text_ref, {.meaning = "Where."});
    const std::size_t share = made.add("share", Type::real, {.meaning = "How much of it."});
    MadeRecords records;
    waggle_event head{};
    head.pid = 42;
    head.time_ns = 7;
    for (int i = 0; i < 3; ++i) {
        records.begin(made, head);
        records.number(size, 4096);
        records.number(left, static_cast<std::uint64_t>(-i));
        records.text(path, i == 1 ? "" : "/a/longer/path");
        records.real(share, 0.5);
    }
    const Schema* const schemas[] = {nullptr, &made.schema()};
    const std::vector<Bytes> taken = records.take();
    ASSERT_EQ(taken.size(), 3u);
    for (int i = 0; i < 3; ++i) {
        const Result<Row> row = read_record(schemas, taken[static_cast<std::size_t>(i)]);
        ASSERT_TRUE(row) << row.error().message;
        EXPECT_EQ(row->u64("pid"), 42u);
        EXPECT_EQ(row->u64("size"), 4096u);
        EXPECT_EQ(static_cast<std::int64_t>(row->u64("left")), -i);
        EXPECT_EQ(row->text("path"), i == 1 ? "" : "/a/longer/path");
        EXPECT_EQ(row->real(*row->schema().find("share")), 0.5);
    }
    EXPECT_TRUE(records.take().empty()) << "those that were taken are not given again";
    records.begin(made, head);
    EXPECT_EQ(records.take().size(), 1u);
}

TEST(MadeSchema, a_name_that_is_taken_is_given_another) {
    MadeSchema made("seen", "What was seen.", {.of_process = true, .renamed = "arg_"});
    for (const char* name : {"pid", "Comm", "exe", "flags", "FLAGS", "flags"})
        made.add(name, Type::u64, {.meaning = "A number."});
    EXPECT_THAT(names_of(made),
                ElementsAre("arg_pid", "arg_Comm", "arg_exe", "flags", "arg_FLAGS", "flags_3"));
}

TEST(MadeSchema, without_a_process_it_has_the_time_alone) {
    MadeSchema made("seen", "What was seen.", {});
    made.add("pid", Type::u64, {.meaning = "Of the record itself."});
    std::vector<std::string> columns;
    for (const Column& column : columns_of(made.schema())) columns.emplace_back(column.name);
    EXPECT_THAT(columns, ElementsAre("time_ns", "pid"));
}

}  // namespace
}  // namespace waggle::sensors
