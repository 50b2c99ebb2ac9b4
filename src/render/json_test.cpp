// SPDX-License-Identifier: Apache-2.0
#include "render/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "render/testing/example_answer.h"

namespace waggle::sinks {
namespace {

using samples::cell;
using samples::example_answer;
using ::testing::ElementsAre;
using Json = nlohmann::ordered_json;

std::vector<std::string> keys_of(const Json& json) {
    std::vector<std::string> out;
    for (const auto& [key, unused] : json.items()) out.push_back(key);
    return out;
}

TEST(Json, a_finding_has_the_stable_keys_in_order) {
    const Json answer = Json::parse(answer_json(example_answer()));
    EXPECT_THAT(keys_of(answer), ElementsAre("findings", "window", "coverage", "problems", "source"));
    const Json& finding = answer["findings"][0];
    EXPECT_THAT(keys_of(finding), ElementsAre("id", "rule", "severity", "confidence", "what", "because",
                                              "evidence", "impact", "try", "check", "advice", "subject",
                                              "object", "because_of", "window", "coverage"));
    EXPECT_EQ(finding["severity"], "critical");
    EXPECT_EQ(finding["because"].size(), 2u);
    EXPECT_EQ(finding["subject"], Json({{"pid", "812"}, {"comm", "named"}}));
    EXPECT_EQ(finding["object"], Json({{"kind", "socket"}, {"name", "UDP port 53"}, {"value", "212992"}}));
    EXPECT_EQ(finding["window"]["from"], "2024-05-01T12:00:00.000000000Z");
    EXPECT_EQ(finding["window"]["to"], "2024-05-01T12:00:10.000000000Z");
    EXPECT_EQ(finding["coverage"], Json({{"seen", 1352}, {"lost", 7}, {"sampled", true}}));
    EXPECT_TRUE(finding["because_of"].is_null());
    EXPECT_EQ(answer["findings"][1]["because_of"], finding["id"]);
    EXPECT_EQ(Json::parse(finding_json(example_answer().findings[0], example_answer())), finding);
}

TEST(Json, evidence_keeps_its_raw_values) {
    const Json evidence = Json::parse(answer_json(example_answer()))["findings"][0]["evidence"][0];
    EXPECT_THAT(keys_of(evidence), ElementsAre("says", "query", "rows"));
    EXPECT_EQ(evidence["rows"][0]["comm"], "a\x1b[2Jb");
    EXPECT_TRUE(evidence["rows"][1]["comm"].is_null());
    EXPECT_EQ(evidence["rows"][1]["packets"], 12);
}

TEST(Json, coverage_names_each_sensor) {
    const Json coverage = Json::parse(answer_json(example_answer()))["coverage"];
    EXPECT_EQ(coverage["sensors"][0]["lost"][0]["cause"], "ring full");
    EXPECT_EQ(coverage["sensors"][1]["hooks"][0]["lost"], "Errors of requests are not seen.");
}

TEST(Json, losses_are_records_and_a_watching_ends_with_a_summary) {
    const auto coverage = example_answer().coverage;
    EXPECT_EQ(losses_json_lines(coverage),
              "{\"table\":\"self\",\"sensor\":\"packet_drop\",\"cause\":\"ring full\",\"count\":7}\n");
    const PastFinding past[] = {
        {"disk: sda", "It was slow.", 1714564800'000'000'000, 1714564802'000'000'000, false}};
    const Json summary = Json::parse(summary_json(5, past, coverage))["summary"];
    EXPECT_EQ(summary["seen"], 1352);
    EXPECT_EQ(summary["lost"], 7);
    EXPECT_EQ(summary["watched_ns"], 5);
    EXPECT_EQ(summary["findings"][0]["to"], "2024-05-01T12:00:02.000000000Z");
    EXPECT_EQ(summary["findings"][0]["lasts"], false);
    EXPECT_EQ(summary["sensors"][0]["lost"][0]["count"], 7);
}

TEST(Json, no_value_can_act_on_a_terminal) {
    explain::Answer answer = example_answer();
    answer.findings[0].evidence[0].rows.rows[0][1] = cell("\x1b]0;x\a \xc2\x9b \xff \xe2\x80\xae");
    const std::string text = answer_json(answer);
    for (const char c : text) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
    EXPECT_TRUE(Json::accept(text));
}

TEST(Json, a_row_has_its_columns_as_keys) {
    Names names;
    names.set("drop_reason", 3, "NO_SOCKET");
    auto record = explain::samples::drop_record({.pid = 7,
                                                 .comm = "a\"b\xff",
                                                 .count = 2,
                                                 .reason = 3,
                                                 .port = 53,
                                                 .rule = "tcp\ndrop",
                                                 .time_ns = 5});
    record.fixed.big = UINT64_MAX;
    record.fixed.late = 1;
    record.fixed.share = 0.5;
    record.fixed.source = {4, {}, {192, 0, 2, 7}};
    record.fixed.wait[3] = 9;
    const Row row(explain::samples::drop_schema, record.finish());
    const Json json = Json::parse(row_json(row, columns_of(row.schema()), {&names, nullptr}));
    EXPECT_EQ(json["pid"], 7);
    EXPECT_EQ(json["comm"], "a\"b\xef\xbf\xbd");
    EXPECT_EQ(json["big"], UINT64_MAX);
    EXPECT_EQ(json["reason"], "NO_SOCKET");
    EXPECT_EQ(json["late"], true);
    EXPECT_EQ(json["share"], 0.5);
    EXPECT_EQ(json["source"], "192.0.2.7");
    EXPECT_EQ(json["rule"], "tcp\ndrop");
    EXPECT_EQ(json["wait"].size(), 64u);
    EXPECT_EQ(json["wait"][3], 9);
    EXPECT_TRUE(json["exe"].is_null());
    record.fixed.share = std::numeric_limits<double>::infinity();
    const Row endless(explain::samples::drop_schema, record.finish());
    EXPECT_TRUE(Json::parse(row_json(endless, columns_of(row.schema()), {}))["share"].is_null());
}

TEST(Json, results_are_a_line_for_each_row) {
    explain::ResultSet result;
    result.columns = {{"a", Unit::none}, {"b", Unit::none}};
    result.rows = {{cell(std::int64_t{INT64_MIN}), cell("x")}, {explain::Cell{}, cell(0.25)}};
    EXPECT_EQ(result_json_lines(result),
              "{\"a\":-9223372036854775808,\"b\":\"x\"}\n{\"a\":null,\"b\":0.25}\n");
}

TEST(Json, explains_a_word) {
    explain::Explanation entry;
    entry.word = "ENOSPC";
    entry.kind = "errno";
    entry.number = 28;
    entry.what = "Full.";
    const Json json = Json::parse(explanation_json(entry));
    EXPECT_THAT(keys_of(json), ElementsAre("word", "kind", "number", "what", "because", "impact", "try",
                                           "check", "loss", "since"));
    EXPECT_EQ(json["number"], 28);
    EXPECT_TRUE(json["loss"].is_null());
}

TEST(Json, a_histogram_names_the_bounds_of_its_slots) {
    std::vector<std::uint64_t> slots(64);
    slots[3] = 2;
    EXPECT_EQ(histogram_json("wait_ns", {HistogramForm{}, slots}),
              R"({"name":"wait_ns","values":2,"p50":15,"p95":15,"p99":15,"max":15,)"
              R"("slots":[{"from":8,"to":15,"count":2}]})");
    const HistogramForm form = HistogramForm::log_linear(4, 36);
    std::vector<std::uint64_t> fine(form.slots());
    fine[form.slot_of(1100)] = 1;
    fine[form.slot_of(1900)] = 1;
    fine.back() = 1;
    const explain::Histogram histogram(form, fine);
    EXPECT_EQ(Json::parse(histogram_json("wait_ns", histogram))["slots"],
              Json::parse(R"([{"from":1088,"to":1151,"count":1},{"from":1856,"to":1919,"count":1},
                              {"from":68719476736,"to":null,"count":1}])"));
    EXPECT_EQ(Json::parse(histogram_json("wait_ns", histogram, {.steps = 1}))["slots"].size(), 2u);
    EXPECT_TRUE(Json::parse(histogram_json("wait_ns", {}))["p99"].is_null());
    explain::ResultSet result;
    result.columns = {{"wait", Unit::none}};
    result.rows = {{cell(histogram.blob(), Value::Kind::blob)}};
    EXPECT_EQ(Json::parse(result_json_lines(result))["wait"][0],
              Json::parse(R"({"from":1088,"to":1151,"count":1})"));
}

}  // namespace
}  // namespace waggle::sinks
