// SPDX-License-Identifier: Apache-2.0
#include "sensors/probe/probe_conditions.h"
#include "sensors/probe/tracepoint_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

namespace waggle::sensors {
namespace {

using testing::HasSubstr;

probe_figure number_at(std::uint32_t argument) {
    probe_figure figure{};
    figure.source = PROBE_ARGUMENT;
    figure.size = 4;
    figure.at = argument;
    return figure;
}

ProbeFields some_fields() {
    ProbeFields fields;
    ProbeField length;
    length.name = "len";
    length.figure = number_at(2);
    length.figure.is_signed = 1;
    ProbeField state;
    state.name = "state";
    state.figure = number_at(3);
    state.names = {{7, "TCP_CLOSE"}};
    ProbeField file;
    file.name = "filename";
    file.shape = ProbeField::Shape::text;
    file.figure = number_at(1);
    file.figure.text = PROBE_STRING;
    fields.fields = {length, state, file};
    return fields;
}

std::string refusal(std::string_view text) {
    ProbeFields fields = some_fields();
    const auto conditions = parse_conditions(text, fields);
    return conditions ? "taken" : conditions.error().message;
}

TEST(ProbeConditions, each_comparison_is_read) {
    ProbeFields fields = some_fields();
    const auto conditions = parse_conditions("len >= -4&&len & 0x40 && state != TCP_CLOSE && len<9", fields);
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

// "2>1 3>2 | 2>9": each alternative behind a bar.
std::string written_out(std::string_view text) {
    ProbeFields fields = some_fields();
    const auto conditions = parse_conditions(text, fields);
    if (!conditions) return conditions.error().message;
    static constexpr const char* signs[] = {"", "==", "!=", "<", "<=", ">", ">=", "&", "!&"};
    std::string out;
    for (const probe_condition& each : *conditions)
        out += (each.alternative ? " | "
                : out.empty()    ? ""
                                 : " ") +
               std::to_string(each.figure.at) + signs[each.comparison] + std::to_string(each.value);
    return out;
}

TEST(ProbeConditions, alternatives_come_out_one_by_one_and_a_negation_is_turned_round) {
    EXPECT_EQ(written_out("len > 1 || len < 2 && state == 3"), "2>1 | 2<2 3==3");
    EXPECT_EQ(written_out("(len > 1 || len < 2) && state == 3"), "2>1 3==3 | 2<2 3==3");
    EXPECT_EQ(written_out("!(len > 1 || state == 3)"), "2<=1 3!=3");
    EXPECT_EQ(written_out("!(len >= 1 && !(len & 4))"), "2<1 | 2&4");
    EXPECT_EQ(written_out("!len & 4"), "2!&4");
}

TEST(ProbeConditions, a_star_says_which_part_of_a_text_is_meant) {
    ProbeFields fields = some_fields();
    const auto conditions = parse_conditions(
        "filename == \"/etc/*\" && filename != *.so && filename == '*lib*' && filename == /a", fields);
    ASSERT_TRUE(conditions) << conditions.error().message;
    ASSERT_EQ(conditions->size(), 4u);
    constexpr std::pair<probe_match, const char*> wanted[] = {
        {PROBE_BEGIN, "/etc/"}, {PROBE_END, ".so"}, {PROBE_ANYWHERE, "lib"}, {PROBE_WHOLE, "/a"}};
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_EQ((*conditions)[i].match, wanted[i].first) << i;
        EXPECT_STREQ((*conditions)[i].pattern, wanted[i].second);
        EXPECT_EQ((*conditions)[i].length, std::strlen(wanted[i].second));
    }
    EXPECT_EQ((*conditions)[1].comparison, PROBE_UNEQUAL);
}

TEST(ProbeConditions, what_is_wrong_is_named_with_its_column) {
    EXPECT_EQ(refusal("lenn > 1"), "--filter: column 1: no field named lenn; did you mean len");
    EXPECT_EQ(refusal("len > 1 && len >"), "--filter: column 12: a number is wanted behind >");
    EXPECT_EQ(refusal("len > 12x"), "--filter: column 7: a number is wanted behind >");
    EXPECT_EQ(refusal("len"), "--filter: column 1: no comparison; there are == != < <= > >= and &");
    EXPECT_EQ(refusal("len > 1 &&"), "--filter: column 11: a comparison is missing, as in len > 100");
    EXPECT_EQ(refusal("filename > 1"), "--filter: column 1: filename is a text; there are == and != for it");
    EXPECT_EQ(refusal("filename == \"/a*b\""), "--filter: column 14: a * stands at the begin or at the end");
    EXPECT_EQ(refusal("(len > 1"), "--filter: column 9: ) is wanted here");
    EXPECT_EQ(refusal("len > 1 len > 2"), "--filter: column 9: && or || is wanted here");
    EXPECT_EQ(refusal("len>1&&len>1&&len>1&&len>1&&len>1&&len>1&&len>1&&len>1&&len>1"),
              "--filter: 9 comparisons; 8 are the most");
    EXPECT_EQ(refusal("(len>1||len>2)&&(len>3||len>4)&&len>5"),
              "--filter: 12 comparisons, written out; 8 are the most");
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
    EXPECT_EQ(fields->find("filename")->figure.source, PROBE_DATA_LOC);
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

TEST(ProbeFields, the_print_line_tells_names_bits_and_addresses) {
    ProbeFields fields;
    add_tracepoint_fields(
        "\tfield:int state;\toffset:8;\tsize:4;\tsigned:1;\n"
        "\tfield:unsigned long mode;\toffset:16;\tsize:8;\tsigned:0;\n"
        "\tfield:__u8 saddr[4];\toffset:24;\tsize:4;\tsigned:0;\n"
        "\tfield:__u8 hash[4];\toffset:28;\tsize:4;\tsigned:0;\n"
        "\tfield:struct sockaddr * to;\toffset:32;\tsize:8;\tsigned:0;\n"
        "\tfield:const char *const * argv;\toffset:40;\tsize:8;\tsigned:0;\n\n"
        "print fmt: \"%-5d%% state=%s mode=%s from %pI4 %*ph\", REC->state, __print_symbolic(REC->state, { "
        "1, \"OPEN\" }, "
        "{ 7, \"CLOSED, not\" }), __print_flags(REC->mode, \"|\", { (1UL << (3)), \"WRITE\" }, { 0x1 | 4, "
        "\"BOTH\" }, "
        "{ sizeof(int), \"ODD\" }), REC->saddr, 4, REC->hash\n",
        fields);
    ASSERT_EQ(fields.fields.size(), 6u);
    EXPECT_EQ(fields.find("state")->names,
              (std::map<std::uint64_t, std::string>{{1, "OPEN"}, {7, "CLOSED, not"}}));
    using Flags = std::vector<std::pair<std::uint64_t, std::string>>;
    EXPECT_EQ(fields.find("mode")->flags, (Flags{{8, "WRITE"}, {5, "BOTH"}}))
        << "what is not known is left out";
    EXPECT_EQ(fields.find("saddr")->shape, ProbeField::Shape::address);
    EXPECT_EQ(fields.find("hash")->shape, ProbeField::Shape::bytes);
    EXPECT_EQ(fields.find("to")->shape, ProbeField::Shape::address);
    EXPECT_EQ(fields.find("argv")->figure.text, PROBE_LIST);
}

TEST(ProbeFields, a_system_call_s_number_and_errors_have_their_names) {
    ProbeFields fields;
    add_tracepoint_fields(
        "\tfield:long id;\toffset:8;\tsize:8;\tsigned:1;\n"
        "\tfield:long ret;\toffset:16;\tsize:8;\tsigned:1;\n",
        fields);
    name_system_call_fields("sys_exit", fields);
    EXPECT_EQ(fields.find("id")->names.at(257), "openat");
    EXPECT_EQ(fields.find("ret")->names.at(static_cast<std::uint64_t>(-2)), "-ENOENT");
    EXPECT_FALSE(fields.find("ret")->names.contains(2));
}

}  // namespace
}  // namespace waggle::sensors
