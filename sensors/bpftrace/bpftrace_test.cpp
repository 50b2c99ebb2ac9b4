// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpftrace/bpftrace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "model/columns.h"
#include "sensors/bpftrace/bpftrace_lines.h"

namespace waggle::sensors {
namespace {

using testing::ElementsAre;

// "output|map|key|value|lowest|highest|text".
std::vector<std::string> rows_of(std::string_view line, BpftraceLine* said = nullptr) {
    const Source* sensor = &bpftrace_source;
    std::vector<std::string> out;
    const BpftraceLine told = read_bpftrace_line(line, 7, [&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor->read(record);
            ASSERT_TRUE(row) << row.error().message;
            EXPECT_EQ(row->u64("time_ns"), 7u);
            std::string text;
            for (const Column& column : columns_of(row->schema())) {
                if (column.name != "output" && column.name != "map" && column.name != "key" &&
                    column.name != "value" && column.name != "lowest" && column.name != "highest" &&
                    column.name != "text")
                    continue;
                text += (text.empty() ? "" : "|") + format_column(*row, column, {});
            }
            out.push_back(text);
        }
    });
    if (said) *said = told;
    return out;
}

TEST(BpftraceLines, a_printed_text_is_a_row) {
    EXPECT_THAT(rows_of(R"({"type": "printf", "data": "hello \"x\"\n"})"),
                ElementsAre(R"(printf||||||hello "x")"));
    EXPECT_THAT(rows_of(R"({"type": "time", "data": "17\n"})"), ElementsAre("time||||||17"));
}

TEST(BpftraceLines, a_map_gives_a_row_for_each_entry) {
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@a": 1}})"), ElementsAre("map|@a||1|||"));
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@b": {"k,2": 3, "m": -4}}})"),
                ElementsAre("map|@b|k,2|3|||", "map|@b|m|-4|||"));
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@s": "text"}})"), ElementsAre("map|@s|||||text"));
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@t": [1,2]}})"), ElementsAre("map|@t|||||[1, 2]"));
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@big": 18446744073709551615}})"),
                ElementsAre("map|@big|||||18446744073709551615"))
        << "no number of ours holds it";
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@none": {}}})"), ElementsAre());
}

TEST(BpftraceLines, a_distribution_gives_a_row_for_each_bucket) {
    EXPECT_THAT(rows_of(R"({"type": "hist", "data": {"@h": {"x": [{"max": -1, "count": 1},
                            {"min": 0, "max": 0, "count": 0}, {"min": 64, "max": 127, "count": 2}]}}})"),
                ElementsAre("hist|@h|x|1||-1|", "hist|@h|x|0|0|0|", "hist|@h|x|2|64|127|"));
    EXPECT_THAT(rows_of(R"({"type": "hist", "data": {"@l": [{"min": 4, "max": 5, "count": 1}]}})"),
                ElementsAre("hist|@l||1|4|5|"));
}

TEST(BpftraceLines, stats_are_three_figures_whatever_the_keys_are_called) {
    EXPECT_THAT(rows_of(R"({"type": "stats", "data": {"@s": {"count": 2, "average": 4, "total": 8}}})"),
                ElementsAre("stats|@s||2|||count", "stats|@s||4|||average", "stats|@s||8|||total"));
    EXPECT_THAT(
        rows_of(R"({"type": "stats", "data": {"@s": {"q": {"count": 1, "average": 4, "total": 4}}}})"),
        ElementsAre("stats|@s|q|1|||count", "stats|@s|q|4|||average", "stats|@s|q|4|||total"));
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@m": {"count": 1, "average": 4, "total": 4}}})"),
                ElementsAre("map|@m|count|1|||", "map|@m|average|4|||", "map|@m|total|4|||"))
        << "a map may have such keys";
    EXPECT_THAT(rows_of(R"({"type": "stats", "data": {"@v": 9, "@w": {"a": 3}}})"),
                ElementsAre("stats|@v||9|||", "stats|@w|a|3|||"))
        << "avg() is one figure";
}

TEST(BpftraceLines, equal_keys_are_entries_of_their_own_in_bpftraces_order) {
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@k": {"z": 1, "a": 2, "z": 3}}})"),
                ElementsAre("map|@k|z|1|||", "map|@k|a|2|||", "map|@k|z|3|||"));
}

TEST(BpftraceLines, bytes_beyond_ascii_are_what_they_were) {
    EXPECT_THAT(rows_of(R"({"type": "printf", "data": "\uffffffc3\uffffff84 \uffffffc3"})"),
                ElementsAre("printf||||||\xc3\x84 \xef\xbf\xbd"))
        << "a whole letter, and the half of one";
    EXPECT_THAT(rows_of("{\"type\": \"printf\", \"data\": \"\xc3\x84 \xc3\"}"),
                ElementsAre("printf||||||\xc3\x84 \xef\xbf\xbd"));
    EXPECT_THAT(rows_of(R"({"type": "printf", "data": "\\uffffffc3 \u0041"})"),
                ElementsAre("printf||||||\\\\uffffffc3 A"))
        << "a backslash that was printed";
}

TEST(BpftraceLines, what_is_no_row_is_counted) {
    BpftraceLine said;
    EXPECT_THAT(rows_of(R"({"type": "attached_probes", "data": {"probes": 3}})", &said), ElementsAre());
    EXPECT_EQ(said.probes, 3u);
    EXPECT_THAT(rows_of(R"({"type": "lost_events", "data": {"events": 12}})", &said), ElementsAre());
    EXPECT_EQ(said.lost, 12u);
}

TEST(BpftraceLines, what_is_no_json_is_a_text) {
    EXPECT_THAT(rows_of("from system()"), ElementsAre("stdout||||||from system()"));
    EXPECT_THAT(rows_of("{\"type\": 1}"), ElementsAre("stdout||||||{\"type\": 1}"));
    EXPECT_THAT(rows_of("\x1b[2J"), ElementsAre("stdout||||||\\x1b[2J")) << "and escaped";
    EXPECT_THAT(rows_of(""), ElementsAre());
    EXPECT_EQ(rows_of(std::string(100'000, '[')).size(), 1u) << "nested deeper than any stack";
    const std::string deep =
        R"({"type": "map", "data": {"@d": )" + std::string(5'000, '[') + std::string(5'000, ']') + "}}";
    EXPECT_EQ(rows_of(deep).size(), 1u);
    EXPECT_THAT(rows_of(R"({"type": "map", "data": {"@a": 1, "@b)"),
                ElementsAre("map|@a||1|||", R"(stdout||||||{"type": "map", "data": {"@a": 1, "@b)"))
        << "what was read before it broke off is said";
}

TEST(BpftraceLines, a_long_text_is_cut_and_says_so) {
    const auto rows = rows_of(R"({"type": "printf", "data": ")" + std::string(10'000, 'x') + "\"}");
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0], "printf||||||" + std::string(4093, 'x') + "...");
}

TEST(Bpftrace, runs_only_with_a_script) {
    Names names;
    ASSERT_NE(bpftrace_source.asked_by, nullptr);
    const auto started = bpftrace_source.start({}, names);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().message, "it runs a script: waggle probe --bpftrace FILE");
    StartOptions options;
    ASSERT_TRUE(options.values.set(*bpftrace_source.asked_by, "/nonexistent\x1b.bt"));
    EXPECT_EQ(bpftrace_source.start(options, names).error().message,
              "/nonexistent\\x1b.bt: No such file or directory");
}

}  // namespace
}  // namespace waggle::sensors
