// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "explain/rules.h"
#include "query/testing/tables.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr std::string_view good = R"(rule: full_buffer
topic: drops
severity: warning
confidence: high
when: |
  SELECT comm, pid,
         count AS packets
  FROM drops
object: {kind: socket, name: comm, value: packets}
subject: [pid]
evidence:
  drops:
    query: SELECT * FROM drops WHERE comm = :comm
words:
  what: "{packets} packets were dropped for {comm}."
  because: ["It reads too slowly."]
  evidence: {drops: The drops.}
  impact: They are lost.
  try: [{do: "kill {pid}"}]
  check: [{do: waggle why drops}]
fires_on: [a.waggle]
)";

class RulesRefusedTest : public ::testing::Test {
  protected:
    RulesRefusedTest() : sql(std::move(*Sql::open())) {
        EXPECT_TRUE(sql.add(drops, {}));
        EXPECT_TRUE(sql.add(sysctls, {}));
    }
    std::string load(std::span<const RuleFile> files) {
        const RuleBook book = RuleBook::load(files, sql);
        return book.problems().empty() ? "loaded" : book.problems().front();
    }
    std::string load(std::string_view text) {
        const RuleFile files[] = {{"r.yaml", text}};
        return load(files);
    }
    // The good rule with one text replaced by another.
    std::string with(std::string_view from, std::string_view to) {
        std::string text(good);
        const std::size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return load(text.replace(at, from.size(), to));
    }

    Table drops{drop_schema, 1 << 16};
    Table sysctls{sysctl_schema, 1 << 16};
    Sql sql;
};

TEST_F(RulesRefusedTest, the_good_rule_is_taken) {
    EXPECT_EQ(load(good), "loaded");
    EXPECT_EQ(load(""), "loaded");
}

TEST_F(RulesRefusedTest, an_unknown_key) {
    EXPECT_EQ(with("  impact:", "  imapct:"), "r.yaml:18:3: `words` has no key imapct; did you mean impact");
    EXPECT_EQ(with("{kind: socket", "{knd: socket"),
              "r.yaml:9:10: `object` has no key knd; did you mean kind");
    EXPECT_EQ(with("    query:", "    qery:"), "r.yaml:13:5: evidence has no key qery; did you mean query");
}

TEST_F(RulesRefusedTest, a_missing_part) {
    EXPECT_EQ(with("  impact: They are lost.\n", ""),
              "r.yaml:1:1: rule full_buffer has no words `impact`; they stand in words.en.yaml, or below "
              "`words` in the rule");
    EXPECT_EQ(with("topic: drops\n", ""), "r.yaml:1:1: rule full_buffer lacks `topic`");
    EXPECT_EQ(with("confidence: high", "confidence:"), "r.yaml:4:12: `confidence` is empty");
    EXPECT_EQ(with("[\"It reads too slowly.\"]", "[]"),
              "r.yaml:16:12: `because` must be a list with entries; here stands an empty one");
    EXPECT_EQ(with("because: [\"It reads too slowly.\"]", "because: It reads"),
              "r.yaml:16:12: `because` must be a list with entries; here stands a text");
    EXPECT_EQ(with("{kind: socket, name", "{kind: socket, value: x, name"),
              "r.yaml:9:46: value stands here twice");
    EXPECT_EQ(with("name: comm, ", ""), "r.yaml:9:9: `object` lacks `name`");
}

TEST_F(RulesRefusedTest, an_unknown_table_or_field) {
    EXPECT_EQ(with("FROM drops\n", "FROM drps\n"),
              "r.yaml:8:8: `when`: no such table: drps; did you mean drops");
    EXPECT_EQ(with("count AS", "cuont AS"), "r.yaml:7:10: `when`: no such column: cuont; did you mean count");
    EXPECT_EQ(with("WHERE comm =", "WHERE com ="),
              "r.yaml:13:38: `query`: no such column: com; did you mean comm");
    EXPECT_EQ(with("SELECT comm, pid,", "SELECT comm pid comm,"),
              "r.yaml:6:19: `when`: near \"comm\": syntax error");
    EXPECT_EQ(with("  SELECT comm, pid,\n         count AS packets\n  FROM drops", "  DELETE FROM drops"),
              "r.yaml:5:7: `when`: only SELECT can be asked: the tables are read only");
}

TEST_F(RulesRefusedTest, an_unknown_value_in_a_sentence) {
    EXPECT_EQ(with("dropped for {comm}.\"", "dropped for {com}.\""),
              "r.yaml:15:45: `what`: `when` has no column com; did you mean comm");
    EXPECT_EQ(with("kill {pid}", "kill {pid:number}"), "r.yaml:19:20: `do`: unknown format number");
    EXPECT_EQ(with("= :comm", "= :con"),
              "r.yaml:13:12: `query`: no limit and no column is called con; did you mean comm");
    EXPECT_EQ(with("SELECT comm, pid,", "SELECT comm, pid, :x AS x,"),
              "r.yaml:5:7: `when`: no limit is called x");
    EXPECT_EQ(with("SELECT comm, pid,", "SELECT comm, pid, pid,"),
              "r.yaml:5:7: `when` gives two columns named pid; rename one with AS");
}

TEST_F(RulesRefusedTest, an_unknown_word_for_severity_or_confidence) {
    EXPECT_EQ(with("severity: warning", "severity: warnin"),
              "r.yaml:3:11: `severity` is note, warning or critical, not warnin; did you mean warning");
    EXPECT_EQ(with("confidence: high", "confidence: packets"),
              "r.yaml:4:13: `confidence` is low, medium or high, not packets");
}

TEST_F(RulesRefusedTest, a_name_that_is_none) {
    EXPECT_EQ(with("rule: full_buffer", "rule: Full Buffer"),
              "r.yaml:1:7: `rule` is a name of a-z, 0-9 and _, not Full Buffer");
    EXPECT_EQ(with("fires_on: [a.waggle]", "fires_on: a.waggle"),
              "r.yaml:21:11: `fires_on` must be a list; here stands a text");
    EXPECT_EQ(with("topic: drops", "at_most: many\ntopic: drops"),
              "r.yaml:2:10: `at_most` is a number from 1 to 1000");
}

TEST_F(RulesRefusedTest, a_rule_twice) {
    const RuleFile files[] = {{"a.yaml", good}, {"b.yaml", good}};
    EXPECT_EQ(load(files), "b.yaml:1:1: rule full_buffer is already there: a.yaml:1");
}

TEST_F(RulesRefusedTest, an_unknown_cause) {
    EXPECT_EQ(with("fires_on", "because_of: [full_bufer]\nfires_on"),
              "r.yaml:21:14: `because_of` names no rule: full_bufer; did you mean full_buffer");
    EXPECT_EQ(with("fires_on", "because_of: [{rule: full_buffer, on: [pd]}]\nfires_on"),
              "r.yaml:21:38: `when` has no column pd; did you mean pid");
}

TEST_F(RulesRefusedTest, causes_that_go_in_a_circle) {
    EXPECT_EQ(with("fires_on", "because_of: [full_buffer]\nfires_on"),
              "r.yaml:21:14: `because_of` goes in a circle: full_buffer -> full_buffer");
    std::string first(good), second(good);
    second.replace(second.find("full_buffer"), 11, "other");
    first += "because_of: [other]\n";
    second += "because_of: [full_buffer]\n";
    const RuleFile files[] = {{"a.yaml", first}, {"b.yaml", second}};
    EXPECT_EQ(load(files),
              "b.yaml:22:14: `because_of` goes in a circle: full_buffer -> other -> full_buffer");
}

TEST_F(RulesRefusedTest, what_is_no_rule) {
    EXPECT_EQ(load("rul: x\n"),
              "r.yaml:1:1: a file of a rule begins with `rule: name`; here stands a group of keys");
    EXPECT_EQ(load("x\n"), "r.yaml:1:1: a file of a rule begins with `rule: name`; here stands a text");
    EXPECT_EQ(load("rule: \"x\n"), "r.yaml:1:7: not YAML: a quote that is not closed");
}

// The form of older builds.
TEST_F(RulesRefusedTest, a_list_of_rules_names_each_and_says_what_to_do) {
    const RuleFile files[] = {
        {"old.yaml", "- rule: first\n  topic: drops\n- rule: second\n  because_of: [first]\n"},
        {"good.yaml", good}};
    const RuleBook book = RuleBook::load(files, sql);
    EXPECT_THAT(
        book.problems(),
        ElementsAre(
            "old.yaml:1:3: rule first is not in use: a list of rules is not read any more; a rule is a "
            "file of its own in rules.d that begins with `rule: first`, with its words below `words`",
            StartsWith("old.yaml:3:3: rule second is not in use: a list of rules is not read")));
    ASSERT_EQ(book.entries().size(), 1u);
    EXPECT_EQ(book.entries()[0].id, "full_buffer");
    for (const char* nameless : {"[]\n", "- x\n", "- rule:\n"})
        EXPECT_THAT(load(nameless),
                    StartsWith("r.yaml:1:1: a file of a rule begins with `rule: name`; a list "
                               "is not read"));
}

TEST_F(RulesRefusedTest, what_names_a_rule_of_a_list_is_not_called_wrong_besides) {
    const std::string effect = std::string(good) + "because_of: [first]\n";
    const RuleFile files[] = {{"old.yaml", "- rule: first\n  topic: drops\n"},
                              {"good.yaml", effect},
                              {"limits.d/mine.yaml", "first: {least: 3}\n"}};
    EXPECT_EQ(RuleBook::load(files, sql).problems().size(), 1u);
}

}  // namespace
}  // namespace waggle::explain
