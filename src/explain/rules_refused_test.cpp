// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/text.h"
#include "explain/rules.h"
#include "explain/testing_tables.h"

namespace waggle::explain {
namespace {

using namespace testing;

constexpr std::string_view good = R"(- rule: full_buffer
  topic: drops
  severity: warning
  confidence: high
  when: |
    SELECT comm, pid,
           count AS packets
    FROM drops
  object: {kind: socket, name: "{comm}", value: "{packets}"}
  subject: {pid: "{pid}"}
  what: "{packets} packets were dropped for {comm}."
  because: ["It reads too slowly."]
  evidence:
    - says: The drops.
      query: SELECT * FROM drops WHERE comm = :comm
  impact: They are lost.
  try: ["kill {pid}"]
  check: [waggle why drops]
  fires_on: [a.waggle]
)";

class RulesRefusedTest : public ::testing::Test {
  protected:
    RulesRefusedTest() : sql(std::move(*Sql::open())) {
        EXPECT_TRUE(sql.add(drops, {}));
        EXPECT_TRUE(sql.add(sysctls, {}));
    }
    std::string load(std::string_view text) {
        const EmbeddedFile files[] = {{"r.yaml", text}};
        const auto book = RuleBook::load(files, sql);
        return book ? "loaded" : book.error().message;
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
    EXPECT_EQ(load("[]\n"), "loaded");
}

TEST_F(RulesRefusedTest, an_unknown_key) {
    EXPECT_EQ(with("  impact:", "  imapct:"), "r.yaml:16:3: a rule has no key imapct; did you mean impact");
    EXPECT_EQ(with("{kind: socket", "{knd: socket"),
              "r.yaml:9:12: `object` has no key knd; did you mean kind");
    EXPECT_EQ(with("    - says:", "    - say:"), "r.yaml:14:7: `evidence` has no key say; did you mean says");
}

TEST_F(RulesRefusedTest, a_missing_part) {
    EXPECT_EQ(with("  impact: They are lost.\n", ""), "r.yaml:1:3: rule full_buffer lacks `impact`");
    EXPECT_EQ(with("- rule: full_buffer\n  topic", "- topic"),
              "r.yaml:1:3: rule without a name lacks `rule`");
    EXPECT_EQ(with("impact: They are lost.", "impact:"), "r.yaml:17:3: `impact` is empty");
    EXPECT_EQ(with("[\"It reads too slowly.\"]", "[]"),
              "r.yaml:12:12: `because` must be a list with entries; here stands an empty one");
    EXPECT_EQ(with("because: [\"It reads too slowly.\"]", "because: It reads"),
              "r.yaml:12:12: `because` must be a list with entries; here stands a text");
    EXPECT_EQ(with("{kind: socket, name", "{kind: socket, value: x, name"),
              "r.yaml:9:52: value stands here twice");
    EXPECT_EQ(with("name: \"{comm}\", ", ""), "r.yaml:9:11: `object` lacks `name`");
}

TEST_F(RulesRefusedTest, an_unknown_table_or_field) {
    EXPECT_EQ(with("FROM drops\n", "FROM drps\n"),
              "r.yaml:8:10: `when`: no such table: drps; did you mean drops");
    EXPECT_EQ(with("count AS", "cuont AS"), "r.yaml:7:12: `when`: no such column: cuont; did you mean count");
    EXPECT_EQ(with("WHERE comm =", "WHERE com ="),
              "r.yaml:15:40: `query`: no such column: com; did you mean comm");
    EXPECT_EQ(with("SELECT comm, pid,", "SELECT comm pid comm,"),
              "r.yaml:6:21: `when`: near \"comm\": syntax error");
    EXPECT_EQ(
        with("    SELECT comm, pid,\n           count AS packets\n    FROM drops", "    DELETE FROM drops"),
        "r.yaml:5:9: `when`: only SELECT can be asked: the tables are read only");
}

TEST_F(RulesRefusedTest, an_unknown_value_in_a_sentence) {
    EXPECT_EQ(with("dropped for {comm}.\"", "dropped for {com}.\""),
              "r.yaml:11:45: `what`: `when` has no column com; did you mean comm");
    EXPECT_EQ(with("kill {pid}", "kill {pid:number}"), "r.yaml:17:15: `try`: unknown format number");
    EXPECT_EQ(with("= :comm", "= :con"),
              "r.yaml:15:14: `query`: `when` has no column con; did you mean comm");
    EXPECT_EQ(with("SELECT comm, pid,", "SELECT comm, pid, :x AS x,"),
              "r.yaml:5:9: `when` cannot use :x; only evidence has parameters");
    EXPECT_EQ(with("SELECT comm, pid,", "SELECT comm, pid, pid,"),
              "r.yaml:5:9: `when` gives two columns named pid; rename one with AS");
}

TEST_F(RulesRefusedTest, an_unknown_word_for_severity_or_confidence) {
    EXPECT_EQ(with("severity: warning", "severity: warnin"),
              "r.yaml:3:13: `severity` is note, warning or critical, or a column of `when`, not warnin; did "
              "you mean "
              "warning");
    EXPECT_EQ(
        with("confidence: high", "confidence: packet"),
        "r.yaml:4:15: `confidence` is low, medium or high, or a column of `when`, not packet; did you mean "
        "packets");
}

TEST_F(RulesRefusedTest, a_name_that_is_none) {
    EXPECT_EQ(with("rule: full_buffer", "rule: Full Buffer"),
              "r.yaml:1:9: `rule` is a name of a-z, 0-9 and _, not Full Buffer");
    EXPECT_EQ(with("fires_on: [a.waggle]", "fires_on: a.waggle"),
              "r.yaml:19:13: `fires_on` must be a list; here stands a text");
    EXPECT_EQ(with("  topic: drops", "  at_most: many\n  topic: drops"),
              "r.yaml:2:12: `at_most` is a number from 1 to 1000");
}

TEST_F(RulesRefusedTest, a_rule_twice_also_in_two_files) {
    const std::string twice = std::string(good) + std::string(good);
    EXPECT_EQ(load(twice), "r.yaml:20:3: rule full_buffer is already there: r.yaml:1");
    const EmbeddedFile files[] = {{"a.yaml", good}, {"b.yaml", good}};
    const auto book = RuleBook::load(files, sql);
    ASSERT_FALSE(book);
    EXPECT_EQ(book.error().message, "b.yaml:1:3: rule full_buffer is already there: a.yaml:1");
}

TEST_F(RulesRefusedTest, an_unknown_cause) {
    EXPECT_EQ(with("  fires_on", "  because_of: [full_bufer]\n  fires_on"),
              "r.yaml:19:16: `because_of` names no rule: full_bufer; did you mean full_buffer");
    EXPECT_EQ(with("  fires_on", "  because_of: [{rule: full_buffer, on: [pd]}]\n  fires_on"),
              "r.yaml:19:40: `when` has no column pd; did you mean pid");
}

TEST_F(RulesRefusedTest, causes_that_go_in_a_circle) {
    EXPECT_EQ(with("  fires_on", "  because_of: [full_buffer]\n  fires_on"),
              "r.yaml:19:16: `because_of` goes in a circle: full_buffer -> full_buffer");
    std::string first(good), second(good);
    second.replace(second.find("full_buffer"), 11, "other");
    const auto because = [](std::string& text, std::string_view rule) {
        text.insert(text.find("  fires_on"), "  because_of: [" + std::string(rule) + "]\n");
    };
    because(first, "other");
    because(second, "full_buffer");
    EXPECT_EQ(load(first + second),
              "r.yaml:39:16: `because_of` goes in a circle: full_buffer -> other -> full_buffer");
}

TEST_F(RulesRefusedTest, what_is_no_list_of_rules) {
    EXPECT_EQ(load("rule: x\n"),
              "r.yaml:1:1: a file of rules is a list: each begins with `- rule: name`; here stands a group "
              "of keys");
    EXPECT_EQ(load("- x\n"), "r.yaml:1:3: a rule begins with `- rule: name`; here stands a text");
    EXPECT_EQ(load("- rule: \"x\n"), "r.yaml:1:9: not YAML: a quote that is not closed");
}

}  // namespace
}  // namespace waggle::explain
