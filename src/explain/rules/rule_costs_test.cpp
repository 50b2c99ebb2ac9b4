// SPDX-License-Identifier: Apache-2.0
// What a rule costs, and what becomes of one that costs too much.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <thread>

#include "base/units.h"
#include "explain/testing/rules.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SleepingRule : public RuleRoom {
  protected:
    Answer at(RuleBook& book, std::uint64_t seconds) {
        Answer answer;
        answer.window.to_ns = seconds * 1'000'000'000;
        sql.forget_views();
        book.ask(sql, "", answer);
        return answer;
    }
    std::int64_t cost(std::string_view column) {
        return sql.query(fmt::format("SELECT {} FROM rule_costs", column))->rows.at(0).at(0).integer;
    }
};

TEST_F(SleepingRule, what_each_rule_costs_is_a_table) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    RuleBook book = load();
    Answer answer;
    book.ask(sql, "", answer);
    book.ask(sql, "", answer);
    const auto rows = sql.query(
        "SELECT rule, asked, findings, longest_ns >= last_ns AND total_ns > longest_ns AND last_ns > 0 FROM "
        "rule_costs");
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->rows.size(), 1u);
    EXPECT_EQ(rows->rows[0][0].text, "slow_reader");
    EXPECT_EQ(rows->rows[0][1].integer, 2);
    EXPECT_EQ(rows->rows[0][2].integer, 1);
    EXPECT_EQ(rows->rows[0][3].integer, 1);
}

TEST_F(SleepingRule, a_rule_over_its_budget_sleeps_and_the_answer_says_which_why_and_for_how_long) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    RuleBook book = load();
    book.give_each_rule(1e-9);  // a microsecond is a thousand seconds' worth
    EXPECT_THAT(at(book, 100).problems, IsEmpty());
    const std::int64_t pause = cost("pause_ns");
    ASSERT_GT(pause, 1'000'000'000'000);
    EXPECT_NEAR(static_cast<double>(pause), static_cast<double>(cost("last_ns")) * 1e9, 1e9);
    append(drops, {.pid = 7, .comm = "slow", .count = 2, .reason = 5, .port = 53});
    const Answer asleep = at(book, 105);
    EXPECT_THAT(asleep.problems, ElementsAre(fmt::format(
                                     "Rule slow_reader sleeps for {} more: it took {} of processor time, "
                                     "and a rule has 1e-07 % of the time. What it found then still stands.",
                                     format_duration_ns(static_cast<double>(pause) - 5e9),
                                     format_duration_ns(static_cast<double>(cost("last_ns"))))));
    EXPECT_EQ(asleep.findings.at(0).what, "slow (pid 7) lost 40 packets.");
    EXPECT_EQ(asleep.findings.at(0).age_ns, 5'000'000'000u);
    EXPECT_EQ(cost("asked"), 1);
    const Answer awake = at(book, 101 + static_cast<std::uint64_t>(pause) / 1'000'000'000);
    EXPECT_THAT(awake.problems, IsEmpty());
    EXPECT_EQ(awake.findings.at(0).what, "slow (pid 7) lost 42 packets.");
    EXPECT_EQ(awake.findings.at(0).age_ns, 0u);
    EXPECT_EQ(cost("asked"), 2);
}

TEST_F(SleepingRule, a_rule_within_its_budget_is_asked_each_time) {
    RuleBook book = load();
    book.give_each_rule(1);
    for (std::uint64_t second = 100; second < 110; ++second)
        EXPECT_THAT(at(book, second).problems, IsEmpty());
    EXPECT_EQ(cost("asked"), 10);
}

TEST_F(SleepingRule, without_a_budget_every_rule_is_asked_each_time) {
    RuleBook book = load();
    for (int i = 0; i < 3; ++i) EXPECT_THAT(at(book, 100).problems, IsEmpty());
    EXPECT_EQ(cost("asked"), 3);
    EXPECT_EQ(cost("pause_ns"), 0);
}

TEST_F(SleepingRule, a_rule_that_is_asked_seldom_by_itself_does_not_sleep_besides) {
    files[rule_file] += "every: 1000s\n";
    RuleBook book = load();
    book.give_each_rule(1);
    at(book, 100);
    EXPECT_THAT(at(book, 105).problems, IsEmpty());
    EXPECT_EQ(cost("asked"), 1);
}

// Reads the rows of another in a thread of its own, which works for 20 ms, as the facts of other network namespaces do.
class ReadElsewhere final : public Relation {
  public:
    explicit ReadElsewhere(const Schema& schema) : schema_(schema) {}
    const Schema& schema() const override { return schema_; }
    std::unique_ptr<Cursor> open() const override {
        std::thread([] {
            const std::uint64_t until_ns = processor_time_ns() + 20'000'000;
            while (processor_time_ns() < until_ns) {
            }
        }).join();
        return Table(schema_, 1 << 16).open();
    }
    std::uint64_t row_count() const override { return 0; }
    bool read_when_opened() const override { return true; }

  private:
    Schema schema_;
};

TEST_F(SleepingRule, work_that_is_done_in_another_thread_is_no_sleep_for_ever) {
    Schema schema = sysctls.schema();
    schema.name = "elsewhere";
    const ReadElsewhere elsewhere(schema);
    ASSERT_TRUE(sql.add(elsewhere, {}));
    std::string& rule = files["room/rules/slow_reader.yaml"];
    rule.replace(rule.find("LEFT JOIN sysctls"), 17, "LEFT JOIN elsewhere");
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    RuleBook book = load();
    book.give_each_rule(0.01);
    EXPECT_THAT(at(book, 100).problems, IsEmpty());
    EXPECT_GT(cost("last_ns"), 10'000'000) << "it pays for what it reads";
    EXPECT_LT(cost("last_ns"), 10'000'000'000);
    EXPECT_LT(cost("pause_ns"), 1'000'000'000'000);
}

// A view that takes long, and two rules that read it: they pay for it in equal parts, whoever comes first. One that
// alone reads another, which takes as long, pays all of it.
TEST_F(SleepingRule, what_several_rules_read_is_paid_by_all_of_them_in_equal_parts) {
    for (const char* view : {"expensive", "as_expensive"})
        files[views_file] += fmt::format(R"(- view: {}
  means: "Takes long to compute."
  query: |
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    SELECT count(*) AS pid, sum(i) AS packets FROM n
)",
                                         view);
    const std::string rest =
        "topic: drops\nseverity: note\nconfidence: high\n"
        "object: {kind: process, name: pid}\nevidence: {}\n"
        "words: {what: \"{pid}.\", because: [\".\"], impact: \".\", try: [{say: \".\"}], "
        "check: [{say: \".\"}]}\n";
    for (const auto& [rule, from] :
         {std::pair{"first", "expensive"}, {"second", "expensive"}, {"alone", "as_expensive"}})
        files[fmt::format("room/rules/{}.yaml", rule)] =
            fmt::format("rule: {}\nwhen: SELECT pid, packets FROM {}\n{}", rule, from, rest);
    files["room/rules/cheap.yaml"] = "rule: cheap\nwhen: SELECT 1 AS pid WHERE 0\n" + rest;
    RuleBook book = load();
    // The least of several times: what else the machine does comes on top of some.
    std::map<std::string, double> least;
    for (std::uint64_t second = 90; second <= 100; ++second) {
        EXPECT_THAT(at(book, second).problems, IsEmpty());
        const auto costs = sql.query("SELECT rule, last_ns FROM rule_costs");
        ASSERT_TRUE(costs) << costs.error().message;
        for (const auto& row : costs->rows) {
            const auto ns = static_cast<double>(row.at(1).integer);
            double& known = least.try_emplace(row.at(0).text, ns).first->second;
            known = std::min(known, ns);
        }
    }
    EXPECT_GT(least["first"], 1e5);
    EXPECT_NEAR(least["first"] / least["second"], 1, 0.2);
    EXPECT_GT(least["alone"], 1.3 * least["first"]);
    EXPECT_LT(least["cheap"], least["first"] / 3);
    // Nobody computes it again before it has only its share of the time.
    book.give_each_rule(0.001);
    at(book, 101);
    const Answer waiting = at(book, 102);
    EXPECT_EQ(waiting.findings.size(), 3u) << "what they found stands";
    EXPECT_EQ(waiting.findings.at(0).age_ns, 1'000'000'000u);
}

}  // namespace
}  // namespace waggle::explain
