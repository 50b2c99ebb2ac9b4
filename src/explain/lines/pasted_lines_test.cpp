// SPDX-License-Identifier: Apache-2.0
// What tired engineers paste: each line with the words it must be explained by, and sentences that mean nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/text.h"
#include "explain/knowledge.h"
#include "explain/knowledge_files.h"
#include "explain/lines/line_parts.h"
#include "explain/lines/log_line.h"
#include "explain/testing/pasted_lines.h"

namespace waggle::explain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const Knowledge& whole_knowledge() {
    static const Knowledge knowledge = std::move(*Knowledge::open(knowledge_files()));
    return knowledge;
}

std::vector<Explanation> explained(std::string_view line) {
    auto found = find_in_line(whole_knowledge(), line);
    EXPECT_TRUE(found) << line;
    return found ? std::move(*found) : std::vector<Explanation>();
}

std::string words_of(std::string_view line) {
    std::string out;
    for (const Explanation& each : explained(line)) {
        std::string word = each.word;
        std::ranges::replace(word, ' ', '_');
        out += (out.empty() ? "" : " ") + word;
    }
    return out;
}

std::string advice_of(std::string_view line) {
    std::string out;
    for (const Explanation& each : explained(line))
        for (const auto* texts : {&each.try_, &each.check})
            for (const std::string& text : *texts) out += text + "\n";
    return out;
}

TEST(PastedLines, are_explained_by_the_words_they_are_about) {
    std::string_view line;
    std::size_t told = 0;
    for (const std::string_view text : split(samples::pasted_lines, '\n')) {
        if (text.starts_with("=> ")) {
            EXPECT_EQ(words_of(line), text.substr(3)) << line;
            ++told;
        }
        line = text;
    }
    EXPECT_GT(told, 200u);
}

TEST(PastedLines, of_innocent_sentences_mean_nothing) {
    for (const char* line : {"The quick brown fox jumps over the lazy dog",
                             "hello world",
                             "please help me with my server",
                             "nginx started successfully",
                             "Started nginx.service - A high performance web server.",
                             "Listening on port 8080",
                             "GET /index.html HTTP/1.1 200 OK",
                             "user logged in from 10.0.0.1",
                             "my killed process list",
                             "he was killed in the war",
                             "we terminated the contract",
                             "exit through the gift shop",
                             "the exit status page is nice",
                             "28 files copied",
                             "0 errors",
                             "no errors found",
                             "error",
                             "failed",
                             "timeout 30",
                             "segment 12 of 40 uploaded",
                             "broken dreams",
                             "a pipe is broken in the kitchen",
                             "bus 12 is late",
                             "abort abort abort",
                             "out of coffee",
                             "full moon tonight",
                             "max is my name",
                             "high five",
                             "load average: 0.12, 0.10, 0.05",
                             "total 48",
                             "tcp 0 0 127.0.0.1:22 0.0.0.0:* LISTEN",
                             "app.service: Deactivated successfully.",
                             "Active: active (running) since Tue 2026-11-10 10:00:00 UTC; 3min ago",
                             "errno=0",
                             "Result: success",
                             "status=0/SUCCESS",
                             "command found in path",
                             "permission granted",
                             "file exists in the archive",
                             "The table is full of food",
                             "42 is the answer",
                             "ERROR 1045 (28000): Access denied for user 'root'@'localhost'",
                             "HTTP 404 Not Found",
                             "status: 5",
                             "DROP TABLE users; STOP",
                             "KILL the lights",
                             "src=-12 dst=4",
                             "the source is -5 degrees",
                             "he exited with 5 dollars",
                             "State: Waiting",
                             "Result: 5 rows",
                             "kernel",
                             "file",
                             "high",
                             "worker 0000000000000008 failed",
                             "4294967295",
                             "0xffffffff",
                             "18446744073709551615",
                             "0x7ffd3c7d2a50",
                             "my exit code name is zebra",
                             "Connection accepted from 10.0.0.1:5432"})
        EXPECT_EQ(words_of(line), "") << line;
}

TEST(PastedLines, of_a_name_lookup_or_of_npm_are_not_the_errno_of_that_number) {
    EXPECT_EQ(words_of("socket.gaierror: [Errno -2] Name or service not known"), "EAI_NONAME");
    EXPECT_EQ(words_of("npm ERR! code ELIFECYCLE errno 1"), "exit_1");
    EXPECT_EQ(words_of("exited with code -9"), "SIGKILL") << "a parent that waits says signals so";
    EXPECT_EQ(words_of("worker ended, returncode=-6"), "SIGABRT");
}

TEST(PastedLines, fill_the_commands_with_the_port_the_path_and_the_process_they_name) {
    EXPECT_THAT(advice_of("Error: listen EADDRINUSE: address already in use :::3000"),
                HasSubstr("ss -lntup 'sport = :3000'"));
    EXPECT_THAT(advice_of("dial tcp 10.0.0.1:5432: connect: connection refused"),
                AllOf(HasSubstr("sport = :5432"), Not(HasSubstr("PORT"))));
    EXPECT_THAT(advice_of("ssh: connect to host db1 port 2222: Connection timed out"),
                HasSubstr("nc -vz -w 3 db1 2222"));
    EXPECT_THAT(advice_of("open /etc/app/config.yaml: permission denied"),
                HasSubstr("namei -l /etc/app/config.yaml"));
    EXPECT_THAT(advice_of("web[812]: accept: Too many open files"), HasSubstr("--pid 812 "));
    EXPECT_THAT(advice_of("systemd[1]: web.service: Failed with result 'oom-kill'."),
                HasSubstr("systemctl show web.service -p MemoryMax"));
    EXPECT_THAT(advice_of("CapEff:\t0000003fffffffff"), HasSubstr("capsh --decode=0000003fffffffff"));
    EXPECT_THAT(advice_of("address already in use"), HasSubstr("sport = :PORT")) << "no port is named";
}

TEST(PastedLines, of_a_crash_name_the_whole_object_and_a_command_that_finds_the_line) {
    for (const char* line :
         {"app[812]: segfault at 0 ip 000055d0c0a01139 sp 00007ffd3c7d2a50 error 4 in app[55d0c0a01000+1000] "
          "likely on CPU 1 (core 1, socket 0)",
          "app[812]: segfault at 0 ip 000055d0c0a01139 sp 00007ffd3c7d2a50 error 4 in "
          "app[1139,55d0c0a01000+1000] likely on CPU 1 (core 1, socket 0)"}) {
        EXPECT_THAT(advice_of(line), HasSubstr("addr2line -f -C -e app $(printf 0x%x $((0x139 + "));
        EXPECT_THAT(advice_of(line), Not(HasSubstr("ADDRESS")));
        EXPECT_THAT(explained(line).front().because.back(), HasSubstr("instruction it was: app."));
    }
}

TEST(PartsOfLines, are_told_by_their_form_and_left_out_where_there_are_two) {
    EXPECT_THAT(parts_of_line("connect() to [2001:db8::1]:8443 failed"),
                UnorderedElementsAre(Pair("PORT", "8443"), Pair("HOST", "2001:db8::1"),
                                     Pair("DESTINATION", "2001:db8::1")));
    EXPECT_THAT(parts_of_line("read tcp 192.0.2.1:443->192.0.2.2:3333"), IsEmpty());
    EXPECT_THAT(parts_of_line("192.0.2.1:80 and 192.0.2.2:81 fail"), IsEmpty());
    EXPECT_THAT(parts_of_line("10:00:00 systemd[1]: done"), IsEmpty());
    EXPECT_THAT(parts_of_line("upstream: \"http://127.0.0.1:8080/x\", port 8080."),
                UnorderedElementsAre(Pair("PORT", "8080"), Pair("HOST", "127.0.0.1"),
                                     Pair("DESTINATION", "127.0.0.1")));
}

TEST(PartsOfLines, never_put_into_a_command_what_a_shell_would_act_on) {
    Explanation entry;
    entry.try_ = {"ls -l FILE", "echo $PATH", "Give FILE to nobody.", "cat PROFILE"};
    fill_capitals(entry, {{"FILE", "/tmp/$(reboot)"}, {"PATH", "/bin"}});
    EXPECT_THAT(entry.try_, ElementsAre("ls -l FILE", "echo $PATH", "Give FILE to nobody.", "cat PROFILE"));
    fill_capitals(entry, {{"FILE", "/tmp/x"}});
    EXPECT_THAT(entry.try_, ElementsAre("ls -l /tmp/x", "echo $PATH", "Give FILE to nobody.", "cat PROFILE"));
}

TEST(PastedPatterns, begin_and_end_at_the_edge_of_a_word) {
    EXPECT_TRUE(match_pattern("rc=-{n:d}", "failed rc=-11, again"));
    EXPECT_FALSE(match_pattern("rc=-{n:d}", "src=-11"));
    EXPECT_FALSE(match_pattern("exit code {n:d}", "exit code 12abc"));
    EXPECT_TRUE(match_pattern("Killed", "killed"));
    EXPECT_FALSE(match_pattern("Killed", "he was killed"));
    EXPECT_EQ(filled("at {ip-start}", {{"ip", "55d0c0a01139"}, {"start", "55d0c0a01000"}}, FillFor::command),
              "at 0x139");
    EXPECT_EQ(filled("at {ip-start}", {{"ip", "no"}}, FillFor::command), "at IP_START");
}

}  // namespace
}  // namespace waggle::explain
