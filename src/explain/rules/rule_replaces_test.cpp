// SPDX-License-Identifier: Apache-2.0
// A user's rule that takes the place of one of this build.
#include "explain/testing/rules.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using ReplacingRule = RuleRoom;

// "before" waits for slow_reader, which comes later in the order of the files.
TEST_F(ReplacingRule, a_users_rule_takes_the_place_of_one_that_reads_another) {
    const std::string rest =
        "topic: drops\nseverity: note\nconfidence: high\n"
        "object: {kind: process, name: pid}\nevidence: {}\n"
        "words: {what: \"{pid} lost {packets}.\", because: [\".\"], impact: \".\", try: [{say: \".\"}], "
        "check: [{say: \".\"}]}\n";
    const std::string builds = "rule: before\nwhen: SELECT pid, packets FROM slow_reader\n" + rest;
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    files["room/rules/before.yaml"] = builds;
    EXPECT_THAT(said_by("before"), ElementsAre("7 lost 40."));
    const std::string mine = "rule: before\nreplaces: yes\nwhen: ";
    files["/etc/waggle/rules.d/mine.yaml"] = mine + "SELECT pid, 1 AS packets FROM loss\n" + rest;
    EXPECT_THAT(said_by("before"), ElementsAre("7 lost 1.")) << "it reads no other rule";
    files["/etc/waggle/rules.d/mine.yaml"] = mine + "SELECT pid, 2 AS packets FROM slow_reader\n" + rest;
    EXPECT_THAT(said_by("before"), ElementsAre("7 lost 2.")) << "it reads the same";
    files["room/rules/a_reader.yaml"] =
        "rule: a_reader\nwhen: SELECT pid, packets FROM before WHERE packets = 2\n" + rest;
    EXPECT_EQ(ask().findings.size(), 3u) << "who reads it reads the user's";
    files["/etc/waggle/rules.d/mine.yaml"] =
        "rule: before\nwhen: SELECT pid, 1 AS packets FROM loss\n" + rest;
    EXPECT_THAT(problems(),
                HasSubstr("mine.yaml:1:1: rule before is already there: room/rules/before.yaml:1; "
                          "`replaces: yes` takes its place"));
    files.erase("room/rules/a_reader.yaml");
    files["/etc/waggle/rules.d/mine.yaml"] = mine + "SELECT nothing FROM loss\n" + rest;
    EXPECT_THAT(problems(), HasSubstr("mine.yaml:3:"));
    const Answer answer = ask();
    EXPECT_EQ(answer.findings.size(), 2u) << "a broken one disables itself, and this build's goes on";
}

}  // namespace
}  // namespace waggle::explain
