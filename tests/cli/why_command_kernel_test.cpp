// SPDX-License-Identifier: Apache-2.0
// `waggle why -- COMMAND`: how the command ended is part of the answer, whatever was asked; and where the commands that
// `waggle what ROW` advises are to be run.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "facts/testing/netns_process.h"
#include "tests/testing/command.h"

namespace waggle {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// The finding of this rule about the command, or null; nothing else of this busy machine is looked at.
json asked(const std::string& topic, const std::string& command, const char* rule = "command_failed") {
    const auto [code, text] =
        test::outcome_of(test::waggle_command("why " + topic + " --output json -- " + command));
    EXPECT_NE(code, -1);
    const json answer = json::parse(text, nullptr, false);
    EXPECT_TRUE(answer.is_object()) << text;
    if (!answer.is_object()) return {};
    for (const json& finding : answer["findings"])
        if (finding["rule"] == rule) return finding;
    return {};
}

TEST(WhyCommand, its_exit_code_and_the_child_that_failed_are_told) {
    const json own = asked("process", "sh -c 'exit 3'");
    ASSERT_TRUE(own.is_object());
    EXPECT_THAT(own["what"].get<std::string>(), HasSubstr("it ended with exit code 3 after"));
    EXPECT_EQ(own["object"]["name"], "sh -c exit 3");
    const json below = asked("process", "sh -c 'sh -c \"exit 78\"; exit $?'");
    ASSERT_TRUE(below.is_object());
    EXPECT_THAT(below["because"].dump(), HasSubstr("Its child sh (pid "));
    EXPECT_THAT(below["because"].dump(), HasSubstr("ended with exit code 78"));
}

TEST(WhyCommand, a_command_is_checked_word_by_word_and_an_answer_is_no_failure) {
    const json own = asked("process", "sh -c 'exit 3; # it is'");
    ASSERT_TRUE(own.is_object());
    EXPECT_EQ(own["check"][0], "waggle why -- sh -c 'exit 3; # it is'");
    const json answer = asked("process", "grep nosuchword /etc/passwd");
    ASSERT_TRUE(answer.is_object());
    EXPECT_EQ(answer["severity"], "note");
    EXPECT_EQ(answer["check"][0], "waggle why -- grep nosuchword /etc/passwd");
    const json trouble = asked("process", "grep word /nonexistent 2>/dev/null");
    ASSERT_TRUE(trouble.is_object());
    EXPECT_EQ(trouble["severity"], "warning");
}

TEST(WhyCommand, a_command_ends_by_sigpipe_as_it_does_without_waggle) {
    const std::string pipe = "bash -c 'set -o pipefail; yes | head -1 > /dev/null'";
    ASSERT_EQ(test::outcome_of(pipe).code, 141) << "128 and SIGPIPE";
    const json told = asked("process", pipe);
    ASSERT_TRUE(told.is_object());
    EXPECT_THAT(told["what"].get<std::string>(), HasSubstr("it ended with exit code 141 after"));
    const json kept = asked("process", "env --ignore-signal=PIPE " + pipe);
    ASSERT_TRUE(kept.is_object());
    EXPECT_THAT(kept["what"].get<std::string>(), HasSubstr("it ended with exit code 1 after"));
}

TEST(WhyCommand, a_command_that_stands_still_is_told_with_what_it_waits_for) {
    char folder[] = "/tmp/waggle-why-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string pipe = std::string(folder) + "/a-pipe-with-a-name";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    const json below =
        asked("process --for 3s", "sh -c 'timeout 5 cat " + pipe + " | sort; true'", "command_waits");
    ASSERT_TRUE(below.is_object());
    EXPECT_EQ(below["severity"], "note");
    EXPECT_THAT(
        below["what"].get<std::string>(),
        HasSubstr("which runs below it, waited for somebody who opens the other end of the named pipe " +
                  pipe));
    EXPECT_TRUE(asked("process --for 3s", "sh -c 'while :; do :; done'", "command_waits").is_null());
    ::unlink(pipe.c_str());
    ::rmdir(folder);
}

// What waggle says of a command that cannot be started.
std::string said_instead(const std::string& command) {
    const auto [code, text] = test::outcome_of(test::waggle_command("why -- " + command + " 2>&1"));
    EXPECT_NE(code, -1);
    return text;
}

TEST(WhyCommand, what_cannot_be_started_is_told_from_what_is_not_there) {
    char folder[] = "/tmp/waggle-why-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::string script = std::string(folder) + "/script", above = std::string(folder) + "/above";
    std::ofstream(script) << "#!/nonexistent/interpreter -x\n";
    std::ofstream(above) << "#!" << script << "\n";
    for (const std::string& path : {script, above}) ASSERT_EQ(::chmod(path.c_str(), 0755), 0);
    EXPECT_THAT(said_instead(script),
                HasSubstr(script + " is there, but the interpreter that its first line names, "
                                   "/nonexistent/interpreter, is not"));
    EXPECT_THAT(said_instead(above), HasSubstr("cannot run " + above + ": " + script + " is there, but"));
    EXPECT_THAT(said_instead(std::string(folder) + "/none"), HasSubstr("No such file"));
    EXPECT_EQ(std::system(("rm -r " + std::string(folder)).c_str()), 0);
}

TEST(WhyCommand, its_signal_is_told_and_who_sent_it) {
    const json own = asked("process", "sh -c 'ulimit -c 0; kill -SEGV $$'");
    ASSERT_TRUE(own.is_object());
    EXPECT_THAT(own["what"].get<std::string>(), HasSubstr("The command was killed by SIGSEGV after"));
    EXPECT_THAT(own["because"].dump(), HasSubstr("It sent SIGSEGV to itself."));
    const json other =
        asked("process", "sh -c 'sh -c \"sleep 0.3; kill -KILL $$; sleep 0.3\" & exec sleep 9'");
    ASSERT_TRUE(other.is_object());
    EXPECT_THAT(other["because"].dump(), HasSubstr(" sent SIGKILL."));
    EXPECT_EQ(other["because"].dump().find("emory"), std::string::npos);
}

TEST(WhyCommand, it_is_told_whatever_was_asked_and_not_when_the_command_succeeds) {
    EXPECT_TRUE(asked("disk", "sh -c 'exit 4'").is_object());
    EXPECT_TRUE(asked("", "sh -c 'exit 4'").is_object());
    EXPECT_TRUE(asked("process", "sh -c 'sh -c \"exit 4\"; true'").is_null());
    EXPECT_TRUE(asked("disk", "true").is_null());
}

TEST(WhyCommand, that_still_runs_when_the_time_is_over_is_told) {
    const auto said = test::outcome_of(test::waggle_command("why drops --for 1s -- sleep 600 2>&1"));
    EXPECT_THAT(said.text, HasSubstr("The command `sleep 600` (pid "));
    EXPECT_THAT(said.text, HasSubstr("still ran when the watching was over; waggle ended it by SIGTERM."));
    const auto ended = test::outcome_of(test::waggle_command("why drops --for 60s -- true 2>&1"));
    EXPECT_THAT(ended.text, testing::Not(HasSubstr("still ran")));
}

std::string own_netns() {
    char link[64] = "";
    EXPECT_GT(::readlink("/proc/self/ns/net", link, sizeof link - 1), 0);
    return std::string(link).substr(5, std::strlen(link) - 6);
}

TEST(WhatCommand, advice_about_a_row_of_another_network_namespace_is_run_there) {
    const facts::NetnsProcess other([] { return 0; });
    const auto advised = [](const std::string& netns) {
        return test::outcome_of(
                   test::waggle_command("what '{\"table\": \"packet_drop\", \"reason\": \"NO_SOCKET\", "
                                        "\"protocol\": \"udp\", \"netns\": " +
                                        netns + "}'"))
            .text;
    };
    const std::string entry = "nsenter --net=" + other.path("ns/net");
    const std::string there = advised(other.inode());
    EXPECT_THAT(there, HasSubstr(entry + " ss -lntup"));
    EXPECT_THAT(there, HasSubstr(entry + " nstat -az"));
    EXPECT_THAT(there, HasSubstr("\n            waggle why drops")) << "it looks into all of them";
    EXPECT_THAT(advised(own_netns()), testing::Not(HasSubstr("nsenter")));
    EXPECT_THAT(advised("1"), testing::Not(HasSubstr("nsenter"))) << "gone, or of another machine";
}

}  // namespace
}  // namespace waggle
