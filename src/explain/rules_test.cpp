// SPDX-License-Identifier: Apache-2.0
#include "explain/rules.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "explain/cause_order.h"
#include "query/testing/tables.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::string_view udp_rule = R"(rule: udp_receiver_too_slow
topic: drops
severity: {critical: packets > 100, else: warning}
confidence: high
when: |
  SELECT d.pid, d.comm, sum(d.count) AS packets, d.port, s.value AS limit_bytes
  FROM drops d LEFT JOIN sysctls s ON s.name = 'net.core.rmem_max'
  WHERE d.reason = 9
  GROUP BY d.pid, d.comm, d.port
  ORDER BY packets DESC
object: {kind: socket, name: "UDP port {port}", value: limit_bytes}
subject: {pid: pid, comm: comm, limit: limit_bytes}
evidence:
  drops: {query: "SELECT count, port FROM drops WHERE pid = :pid AND comm = :comm"}
  limit: {query: "SELECT value FROM sysctls WHERE name = 'net.core.rmem_max'"}
words:
  what:
    - "{comm} (pid {pid}) reads port {port} too slowly: {packets} packets
       were dropped, its limit is {limit_bytes}."
    - "{comm} (pid {pid}) reads port {port} too slowly: {packets} packets were dropped."
  because:
    - "The receive buffer was full."
    - "net.core.rmem_max limits it to {limit_bytes}."
    - ["It is limited to {limit_bytes:raw}.", "Its limit is not known."]
  evidence: {drops: "The {packets} drops by pid {pid}.", limit: "The limit."}
  impact: "{packets} packets never reached {comm}."
  try:
    - {do: "sysctl -w net.core.rmem_max={limit_bytes}"}
    - {say: "Make {comm} read faster."}
    - {do: "kill {pid}", why: "{comm}"}
  check: [{do: waggle why drops}]
)";

std::string rule(std::string_view id, std::string_view topic, std::string_view severity,
                 std::string_view when, std::string_view because_of = "[]") {
    return fmt::format(R"(rule: {0}
topic: {1}
severity: {2}
confidence: high
when: {3}
object: {{kind: x, name: port}}
evidence: {{rows: {{query: SELECT 1}}}}
because_of: {4}
words:
  what: "{0} {{port}}."
  because: [It is so.]
  evidence: {{rows: Rows.}}
  impact: None.
  try: [{{do: nothing}}]
  check: [{{do: nothing}}]
)",
                       id, topic, severity, when, because_of);
}

class RulesTest : public ::testing::Test {
  protected:
    RulesTest() : sql(std::move(*Sql::open())) {
        EXPECT_TRUE(sql.add(drops, {}));
        EXPECT_TRUE(sql.add(sysctls, {}));
    }
    Answer ask(std::string_view text, std::string_view topic = "") {
        return ask(std::vector<std::string>{std::string(text)}, topic);
    }
    // Each text is a file.
    Answer ask(const std::vector<std::string>& texts, std::string_view topic = "") {
        std::vector<RuleFile> files;
        for (const std::string& text : texts) files.push_back({"r.yaml", text});
        RuleBook book = RuleBook::load(files, sql);
        Answer answer;
        EXPECT_THAT(book.problems(), IsEmpty());
        book.ask(sql, topic, answer);
        return answer;
    }
    static std::vector<std::string> ids(const Answer& answer) {
        std::vector<std::string> out;
        for (const Finding& finding : answer.findings) out.push_back(finding.id);
        return out;
    }

    Table drops{drop_schema, 1 << 16};
    Table sysctls{sysctl_schema, 1 << 16};
    Sql sql;
};

TEST_F(RulesTest, nothing_is_found_where_nothing_is) { EXPECT_THAT(ask(udp_rule).findings, IsEmpty()); }

TEST_F(RulesTest, a_row_becomes_a_finding_in_all_its_parts) {
    append(drops, {.pid = 7, .comm = "sl ow", .count = 40, .reason = 9, .port = 53});
    append(drops, {.pid = 7, .comm = "sl ow", .count = 2, .reason = 9, .port = 53});
    append(sysctls, "net.core.rmem_max", 212992);
    const Answer answer = ask(udp_rule, "drops");
    EXPECT_THAT(answer.problems, IsEmpty());
    ASSERT_EQ(answer.findings.size(), 1u);
    const Finding& finding = answer.findings[0];
    EXPECT_EQ(finding.id, "udp_receiver_too_slow: UDP port 53");
    EXPECT_EQ(finding.rule, "udp_receiver_too_slow");
    EXPECT_EQ(finding.severity, Severity::warning);
    EXPECT_EQ(finding.confidence, Confidence::high);
    EXPECT_EQ(finding.what,
              "sl ow (pid 7) reads port 53 too slowly: 42 packets were dropped, its limit is 208 KiB.");
    EXPECT_THAT(finding.because,
                ElementsAre("The receive buffer was full.", "net.core.rmem_max limits it to 208 KiB.",
                            "It is limited to 212992."));
    ASSERT_EQ(finding.evidence.size(), 2u);
    EXPECT_EQ(finding.evidence[0].says, "The 42 drops by pid 7.");
    EXPECT_EQ(finding.evidence[0].query, "SELECT count, port FROM drops WHERE pid = 7 AND comm = 'sl ow'");
    EXPECT_EQ(finding.evidence[0].rows.rows.size(), 2u);
    EXPECT_EQ(finding.impact, "42 packets never reached sl ow.");
    EXPECT_THAT(finding.try_, ElementsAre("sysctl -w net.core.rmem_max=212992", "Make sl ow read faster.",
                                          "kill 7    # sl ow"));
    EXPECT_THAT(finding.subject,
                ElementsAre(Pair("pid", "7"), Pair("comm", "sl ow"), Pair("limit", "212992")));
    EXPECT_EQ(finding.object.kind, "socket");
    EXPECT_EQ(finding.object.name, "UDP port 53");
    EXPECT_EQ(finding.object.value, "212992");
}

TEST_F(RulesTest, what_no_row_shows_is_not_said) {
    append(drops, {.pid = 7, .comm = "slow", .count = 500, .reason = 9, .port = 53});
    const Finding finding = ask(udp_rule).findings.at(0);
    EXPECT_EQ(finding.severity, Severity::critical);
    EXPECT_EQ(finding.what, "slow (pid 7) reads port 53 too slowly: 500 packets were dropped.");
    EXPECT_THAT(finding.because, ElementsAre("The receive buffer was full.", "Its limit is not known."));
    EXPECT_EQ(finding.evidence.size(), 1u) << "a query without rows is no evidence";
    EXPECT_THAT(finding.try_, ElementsAre("Make slow read faster.", "kill 7    # slow"));
    EXPECT_THAT(finding.subject, ElementsAre(Pair("pid", "7"), Pair("comm", "slow")));
    EXPECT_EQ(finding.object.value, "");
}

TEST_F(RulesTest, the_query_of_an_evidence_gives_its_rows_again) {
    append(drops, {.pid = 7, .comm = "o'x\n\x1b", .count = 5, .reason = 9, .port = 53});
    const Finding finding = ask(udp_rule).findings.at(0);
    const auto again = sql.query(finding.evidence.at(0).query);
    ASSERT_TRUE(again) << again.error().message;
    ASSERT_EQ(again->rows.size(), 1u);
    EXPECT_EQ(again->rows[0][0].integer, 5);
    EXPECT_THAT(finding.what, HasSubstr("o'x\\x0a\\x1b (pid 7)"));
}

TEST_F(RulesTest, a_name_that_is_sql_stays_a_name) {
    append(drops, {.pid = 7, .comm = "' OR 1=1 --", .count = 5, .reason = 9, .port = 53});
    append(drops, {.pid = 7, .comm = "other", .count = 5, .reason = 1, .port = 53});
    const Finding finding = ask(udp_rule).findings.at(0);
    EXPECT_EQ(finding.evidence.at(0).rows.rows.size(), 1u);
}

TEST_F(RulesTest, causes_come_before_what_they_cause) {
    append(drops, {.port = 1});
    append(drops, {.port = 2});
    const std::vector<std::string> book = {
        rule("symptom", "drops", "critical", "SELECT port FROM drops", "[{rule: cause, on: [port]}]"),
        rule("lonely", "drops", "warning", "SELECT 9 AS port"),
        rule("cause", "drops", "note", "SELECT port FROM drops WHERE port = 2")};
    const Answer answer = ask(book);
    // A tree is as severe as its worst finding; the sort is stable, so the order of the book breaks ties.
    EXPECT_THAT(ids(answer), ElementsAre("symptom: 1", "cause: 2", "symptom: 2", "lonely: 9"));
    EXPECT_EQ(answer.findings[2].because_of, "cause: 2");
    EXPECT_EQ(answer.findings[0].because_of, "");
}

TEST_F(RulesTest, a_cause_from_another_topic_is_told_where_it_explains_something) {
    append(drops, {.port = 2});
    const std::vector<std::string> book = {
        rule("symptom", "drops", "note", "SELECT port FROM drops", "[{rule: cause, on: [port]}]"),
        rule("cause", "cpu", "note", "SELECT 2 AS port UNION ALL SELECT 3")};
    EXPECT_THAT(ids(ask(book, "drops")), ElementsAre("cause: 2", "symptom: 2"));
    EXPECT_THAT(ids(ask(book, "cpu")), ElementsAre("cause: 2", "cause: 3"));
    EXPECT_THAT(ids(ask(book, "disk")), IsEmpty());
    EXPECT_EQ(ask(book, "cpu").findings[0].because_of, "");
}

TEST_F(RulesTest, a_cause_without_a_join_explains_every_finding) {
    append(drops, {.port = 1});
    append(drops, {.port = 2});
    const std::vector<std::string> book = {
        rule("symptom", "drops", "note", "SELECT port FROM drops", "[cause]"),
        rule("cause", "drops", "note", "SELECT 7 AS port")};
    EXPECT_THAT(ids(ask(book)), ElementsAre("cause: 7", "symptom: 1", "symptom: 2"));
}

TEST_F(RulesTest, findings_of_one_object_keep_apart) {
    append(drops, {.port = 1});
    append(drops, {.port = 1});
    EXPECT_THAT(ids(ask(rule("twice", "drops", "note", "SELECT port FROM drops"))),
                ElementsAre("twice: 1", "twice: 1 (2)"));
}

TEST_F(RulesTest, a_rule_that_fails_becomes_a_sentence) {
    append(drops, {.comm = "not a histogram", .port = 1});
    const std::vector<std::string> book = {
        rule("broken", "drops", "note", "SELECT hist_percentile(comm, 0.5) AS port FROM drops"),
        rule("whole", "drops", "note", "SELECT port FROM drops")};
    const Answer answer = ask(book);
    EXPECT_THAT(ids(answer), ElementsAre("whole: 1"));
    EXPECT_THAT(answer.problems,
                ElementsAre("Rule broken could not be asked: this is not a histogram: histograms are "
                            "columns of type histogram."));
}

TEST_F(RulesTest, a_finding_that_cannot_be_said_is_a_problem) {
    append(drops, {.port = 1});
    const Answer answer = ask(rule("mute", "drops", "note", "SELECT NULL AS port"));
    EXPECT_THAT(answer.findings, IsEmpty());
    EXPECT_THAT(answer.problems,
                ElementsAre("Rule mute could not say what it found: each way to say it names a "
                            "column without a value (port)."));
}

TEST_F(RulesTest, only_the_first_findings_of_many_are_shown) {
    for (int i = 0; i < 30; ++i) append(drops, {.port = static_cast<std::uint16_t>(i)});
    const Answer answer = ask(rule("many", "drops", "note", "SELECT port FROM drops"));
    EXPECT_EQ(answer.findings.size(), 20u);
    EXPECT_THAT(answer.problems, ElementsAre("Rule many found more than 20: the first are shown."));
}

TEST_F(RulesTest, entries_tell_what_a_rule_needs) {
    const RuleFile files[] = {{"r.yaml", udp_rule}};
    const RuleBook book = RuleBook::load(files, sql);
    ASSERT_EQ(book.entries().size(), 1u);
    EXPECT_EQ(book.entries()[0].topic, "drops");
    EXPECT_THAT(book.entries()[0].tables, ElementsAre("drops", "sysctls"));
}

TEST(CauseOrder, hangs_symptoms_under_their_causes_to_any_depth) {
    const auto note = Severity::note;
    const auto high = Confidence::high;
    const CauseLink links[] = {{note, high, {}, {}, 2},
                               {Severity::warning, high, {}, {}, {}},
                               {note, high, {}, {}, 3},
                               {note, Confidence::low, {}, {}, {}},
                               {note, high, {}, {}, {}}};
    EXPECT_THAT(order_by_cause(links), ElementsAre(1, 4, 3, 2, 0));
    EXPECT_THAT(order_by_cause({}), IsEmpty());
}

TEST(CauseOrder, of_equally_severe_findings_the_one_with_more_comes_first_however_sure_it_is) {
    const auto warning = Severity::warning;
    const CauseLink links[] = {{warning, Confidence::high, 11, "drops", {}},
                               {warning, Confidence::low, 250, "drops", {}},
                               {Severity::note, Confidence::high, 9000, "drops", {}}};
    EXPECT_THAT(order_by_cause(links), ElementsAre(1, 0, 2));
}

TEST(CauseOrder, amounts_of_different_things_are_not_compared) {
    const auto warning = Severity::warning;
    const CauseLink links[] = {{warning, Confidence::low, 5000, "disk", {}},
                               {warning, Confidence::medium, 30, "drops", {}},
                               {warning, Confidence::medium, {}, {}, {}},
                               {warning, Confidence::low, 700, "drops", {}}};
    EXPECT_THAT(order_by_cause(links), ElementsAre(3, 2, 0, 1)) << "they change places with their like only";
}

TEST_F(RulesTest, a_rule_says_by_which_of_its_columns_its_findings_are_ordered) {
    append(drops, {.port = 7});
    append(drops, {.port = 9000});
    const std::string few = "SELECT port FROM drops WHERE port = 7";
    const std::string many = "SELECT port FROM drops WHERE port = 9000";
    const std::string amount = "amount: port\n";
    const std::vector<std::string> files = {amount + rule("few", "drops", "warning", few),
                                            amount + rule("many", "drops", "warning", many)};
    EXPECT_THAT(ids(ask(files)), ElementsAre("many: 9000", "few: 7"));
}

}  // namespace
}  // namespace waggle::explain
