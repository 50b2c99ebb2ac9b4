// SPDX-License-Identifier: Apache-2.0
// The runner of table tests: what it takes, what it finds wrong, and where.
#include "explain/rules/rule_tests.h"

#include "explain/rules/rule_check.h"
#include "explain/testing/rules.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view good_tests = R"(- case: many packets of one process
  drops: |
    time pid comm      count reason port
    1s   7   "sl ow"   4     5      53
    2s   7   "sl ow"   38    5      53
  sysctls: "name net.core.rmem_max, value 212992"
  finds:
    packets: 42
    comm: sl ow
    severity: warning
    what: "sl ow (pid 7) lost 42 packets, its limit is 208 KiB."
    try: "sysctl -w x=212992    # now 208 KiB"
    evidence: [What it lost.]
    not_said: critical
- case: the setting is not known
  same_but: {name: other}
  finds: {limit_bytes: "-"}
- case: reasons that mean no loss
  same_but: {reason: 2}
  finds: nothing
- case: too few
  drops: "pid 7, count 9, reason 5"
  finds: nothing
)";

class RuleTests : public RuleRoom {
  protected:
    std::vector<RuleTestReport> run(std::string_view tests) {
        files["room/rules/slow_reader.test.yaml"] = std::string(tests);
        std::vector<RuleFile> all;
        for (const auto& [path, text] : files) all.push_back({path, text, false});
        static const GivenTable tables[] = {given_table_of(drop_schema), given_table_of(sysctl_schema)};
        const auto tester = RuleTester::create(tables, all, {});
        EXPECT_TRUE(tester) << tester.error().message;
        EXPECT_THAT((*tester)->book().problems(), IsEmpty());
        return (*tester)->run();
    }
    // The faults where one text of the good tests is replaced by another.
    std::vector<std::string> faults(std::string_view from, std::string_view to) {
        std::string text(good_tests);
        const std::size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        return run(text.replace(at, from.size(), to)).at(0).faults;
    }
};

TEST_F(RuleTests, small_tables_give_the_findings_they_must_give) {
    const std::vector<RuleTestReport> reports = run(good_tests);
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_THAT(reports[0].faults, IsEmpty());
    EXPECT_EQ(reports[0].rule, "slow_reader");
    ASSERT_EQ(reports[0].cases.size(), 4u);
    EXPECT_TRUE(reports[0].cases[1].fires);
    EXPECT_FALSE(reports[0].cases[2].fires);
}

TEST_F(RuleTests, what_is_found_otherwise_is_a_fault_at_its_place) {
    EXPECT_THAT(
        faults("packets: 42", "packets: 43"),
        ElementsAre("room/rules/slow_reader.test.yaml:8:14: \"many packets of one process\": packets is 42"));
    EXPECT_THAT(faults("severity: warning", "severity: note"),
                ElementsAre(HasSubstr(":10:15: \"many packets of one process\": `severity` is \"warning\"")));
    EXPECT_THAT(faults("not_said: critical", "not_said: sl ow"), ElementsAre(HasSubstr("it says \"sl ow\"")));
    EXPECT_THAT(faults("[What it lost.]", "[What.]"),
                ElementsAre(HasSubstr("`evidence` does not say \"What.\"")));
    EXPECT_THAT(
        faults("same_but: {reason: 2}\n  finds: nothing", "same_but: {reason: 6}\n  finds: nothing"),
        ElementsAre(HasSubstr("\"reasons that mean no loss\": it finds 1, not 0: sl ow (pid 7) lost 42")));
    EXPECT_THAT(faults("finds: {limit_bytes: \"-\"}", "finds: [{limit_bytes: \"-\"}, {packets: 1}]"),
                ElementsAre(HasSubstr("it finds 1, not 2")));
}

TEST_F(RuleTests, wrong_tests_are_refused_with_the_nearest_right_word) {
    EXPECT_THAT(faults("time pid", "tame pid"),
                ElementsAre(HasSubstr(":3:5: drops has no column tame; did you mean "),
                            HasSubstr("has no case before it"), HasSubstr("has no case before it")));
    EXPECT_THAT(faults("drops: \"pid 7", "drosp: \"pid 7"),
                ElementsAre(HasSubstr(":22:3: no table or view is called drosp; did you mean drops")));
    EXPECT_THAT(faults("same_but: {reason: 2}", "same_but: {reson: 2}"),
                ElementsAre(HasSubstr(":19:14: no table of this case has a column reson")));
    EXPECT_THAT(
        faults("1s   7   \"sl ow\"", "1s   7   sl ow"),
        ElementsAre(HasSubstr("7 values for 6 columns"), HasSubstr("same_but"), HasSubstr("same_but")));
    EXPECT_THAT(faults("count 9, ", "count 9s, "), ElementsAre(HasSubstr("9s is no value of drops.count")));
    EXPECT_THAT(
        faults("packets: 42", "pakets: 42"),
        ElementsAre(HasSubstr(":8:5: \"many packets of one process\": `when` has no column pakets; did you "
                              "mean packets")));
}

TEST_F(RuleTests, a_view_may_be_given_instead_of_its_tables) {
    const auto reports = run(R"(- case: rows of the view
  loss: "pid 3, comm x, port 9, packets 11"
  finds: {packets: 11, limit_bytes: "-", object: port 9}
)");
    EXPECT_THAT(reports.at(0).faults, IsEmpty());
}

TEST_F(RuleTests, a_command_that_is_always_given_has_no_reason_that_cannot_be_said) {
    const auto complaints = [&](std::string_view advice) {
        const std::string before = files[words_file];
        const std::size_t begin = before.find("    - [{do:");
        files[words_file].replace(begin, before.find('\n', begin) - begin, "    - " + std::string(advice));
        std::vector<RuleFile> all;
        for (const auto& [path, text] : files) all.push_back({path, text, false});
        static const GivenTable tables[] = {given_table_of(drop_schema), given_table_of(sysctl_schema)};
        const auto tester = RuleTester::create(tables, all, {});
        std::vector<std::string> out;
        for (std::string& each : complaints_of((*tester)->book(), all, {}))
            if (each.find("`do`") != std::string::npos) out.push_back(std::move(each));
        files[words_file] = before;
        return out;
    };
    const auto refused = ElementsAre(HasSubstr("room/words.en.yaml:8:8: this `do` names no value"));
    EXPECT_THAT(complaints("[{do: ss -l, why: \"now {limit_bytes}\"}, {say: It waits.}]"), refused);
    EXPECT_THAT(
        complaints("[{do: \"ss[ {pid}]\", why: \"{packets, plural, other {#}} lost\"}, {say: It waits.}]"),
        refused);
    EXPECT_THAT(complaints("[{do: ss -l, why: \"now[ {limit_bytes}]\"}, {say: It waits.}]"), IsEmpty());
    EXPECT_THAT(complaints("[{do: \"ss {pid}\", why: \"now {limit_bytes}\"}, {say: It waits.}]"), IsEmpty());
    EXPECT_THAT(complaints("{do: ss -l, why: \"now {limit_bytes}\"}"), IsEmpty()) << "it hides no other";
}

TEST_F(RuleTests, a_sentences_mark_is_not_pasted_with_a_command_or_a_path) {
    const auto complaints = [&](std::string_view line) {
        std::vector<RuleFile> all;
        for (const auto& [path, text] : files) all.push_back({path, text, false});
        const std::string with = files[words_file] + std::string(line);
        for (RuleFile& file : all)
            if (file.path == words_file) file.text = with;
        static const GivenTable tables[] = {given_table_of(drop_schema), given_table_of(sysctl_schema)};
        const auto tester = RuleTester::create(tables, all, {});
        std::vector<std::string> out;
        for (std::string& each : complaints_of((*tester)->book(), all, {}))
            if (each.find("is pasted with it") != std::string::npos) out.push_back(std::move(each));
        return out;
    };
    EXPECT_THAT(complaints("# Run it again: {failed_command}.\n"),
                ElementsAre(HasSubstr("`.` directly behind {failed_command} is pasted with it")));
    EXPECT_THAT(complaints("# {device} is {backing_file}, a file; it ran {start_exe}: so.\n"),
                ElementsAre(HasSubstr("`,` directly behind {backing_file}"),
                            HasSubstr("`:` directly behind {start_exe}")));
    EXPECT_THAT(complaints("# Run `{failed_command}` again. {backing_file} is behind {device}.\n"),
                IsEmpty());
}

TEST_F(RuleTests, tests_without_a_rule_are_a_fault) {
    files["room/rules/other.test.yaml"] = std::string(good_tests);
    EXPECT_THAT(
        run(good_tests).at(0).faults,
        ElementsAre("room/rules/other.test.yaml:1:1: no rule that is in use stands beside these tests"));
}

}  // namespace
}  // namespace waggle::explain
