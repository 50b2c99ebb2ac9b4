// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace waggle::sensors {
namespace {

using testing::HasSubstr;

ProbeFields some_fields() {
    ProbeFields fields;
    ProbeField length;
    length.name = "len";
    length.figure = {PROBE_ARGUMENT, 1, 4, 2};
    ProbeField state;
    state.name = "state";
    state.figure = {PROBE_ARGUMENT, 0, 4, 3};
    state.names = {{7, "TCP_CLOSE"}};
    ProbeField file;
    file.name = "filename";
    file.shape = ProbeField::Shape::text;
    fields.fields = {length, state, file};
    return fields;
}

std::string refusal(std::string_view text) {
    const auto conditions = parse_conditions(text, some_fields());
    return conditions ? "taken" : conditions.error().message;
}

TEST(ProbeConditions, each_comparison_is_read) {
    const auto conditions =
        parse_conditions("len >= -4&&len & 0x40 && state != TCP_CLOSE && len<9", some_fields());
    ASSERT_TRUE(conditions) << conditions.error().message;
    ASSERT_EQ(conditions->size(), 4u);
    EXPECT_EQ((*conditions)[0].comparison, PROBE_AT_LEAST);
    EXPECT_EQ(static_cast<std::int64_t>((*conditions)[0].value), -4);
    EXPECT_EQ((*conditions)[0].figure.at, 2u);
    EXPECT_EQ((*conditions)[1].comparison, PROBE_HAS_BIT);
    EXPECT_EQ((*conditions)[1].value, 0x40u);
    EXPECT_EQ((*conditions)[2].comparison, PROBE_UNEQUAL);
    EXPECT_EQ((*conditions)[2].value, 7u) << "an enum's value by its name";
    EXPECT_EQ((*conditions)[3].comparison, PROBE_LESS);
}

TEST(ProbeConditions, what_is_wrong_is_named_with_its_column) {
    EXPECT_EQ(refusal("lenn > 1"), "--filter: column 1: no field named lenn; did you mean len");
    EXPECT_EQ(refusal("len > 1 && len >"), "--filter: column 12: a number is wanted behind >");
    EXPECT_EQ(refusal("len > 12x"), "--filter: column 7: a number is wanted behind >");
    EXPECT_EQ(refusal("len"), "--filter: column 1: no comparison; there are == != < <= > >= and &");
    EXPECT_EQ(refusal("len > 1 &&"), "--filter: column 11: a comparison is missing, as in len > 100");
    EXPECT_EQ(refusal("filename == 1"), "--filter: column 1: filename is no number");
    EXPECT_EQ(refusal("len>1&&len>1&&len>1&&len>1&&len>1"), "--filter: 5 comparisons; 4 are the most");
    EXPECT_THAT(refusal("\x1b[2J > 1"), HasSubstr("\\x1b")) << "control characters are escaped";
}

TEST(ProbeFields, a_tracepoint_is_described_by_its_format) {
    const std::filesystem::path root = std::filesystem::path(testing::TempDir()) / "waggle-tracefs";
    const std::filesystem::path folder = root / "events/sched/sched_process_exec";
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "format")
        << "name: sched_process_exec\nID: 310\nformat:\n"
           "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n"
           "\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n"
           "\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;\n"
           "\tfield:u8 address[16];\toffset:16;\tsize:16;\tsigned:0;\n"
           "\tfield:const void * skb;\toffset:32;\tsize:8;\tsigned:0;\n";
    AttachSpec spec;
    spec.kind = AttachKind::tracepoint;
    spec.group = "sched";
    spec.target = "sched_process_exec";
    const auto fields = probe_fields(spec, root);
    std::filesystem::remove_all(root);
    ASSERT_TRUE(fields) << fields.error().message;
    EXPECT_EQ(fields->find("common_type"), nullptr);
    ASSERT_NE(fields->find("filename"), nullptr);
    EXPECT_EQ(fields->find("filename")->shape, ProbeField::Shape::text);
    EXPECT_EQ(fields->find("pid")->figure.source, PROBE_CONTEXT)
        << "the tracepoint's own pid, not the header's";
    EXPECT_TRUE(fields->find("pid")->figure.is_signed);
    EXPECT_EQ(fields->find("address")->shape, ProbeField::Shape::bytes);
    EXPECT_EQ(fields->find("skb")->shape, ProbeField::Shape::pointer);
    EXPECT_EQ(fields->context_bytes, PROBE_CONTEXT_MAX) << "the file's name lies behind the fixed fields";
    const auto missing = probe_fields(spec, root);
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().message, HasSubstr("mount -t tracefs"));
}

}  // namespace
}  // namespace waggle::sensors
