// SPDX-License-Identifier: Apache-2.0
// What `waggle probe` watches is a source like any other: asked in SQL, recorded, replayed without the place,
// counted, drawn, and ruled upon.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/testing/command.h"

namespace waggle {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// This test runs /bin/true all the while, as a process of its own.
test::Outcome while_programs_run(const std::string& arguments) {
    const test::Meanwhile running([] {
        const pid_t child = ::fork();
        if (child == 0) {
            ::execl("/bin/true", "true", nullptr);
            ::_exit(1);
        }
        ::waitpid(child, nullptr, 0);
        ::usleep(10'000);
    });
    return test::outcome_of(test::waggle_command(arguments + " 2>&1"));
}

json first_line(const test::Outcome& said) {
    return json::parse(said.text.substr(0, said.text.find('\n')), nullptr, false);
}

constexpr const char* exec_place = "tracepoint:sched:sched_process_exec";
constexpr const char* fork_place = "raw_tp:sched_process_fork";

TEST(ProbeCommand, sql_asks_what_a_place_sees) {
    const test::Outcome said =
        while_programs_run(std::string("query --for 1s --output json --probe ") + exec_place +
                           " \"SELECT filename, count(*) AS times, min(arg_pid = pid) AS own FROM probe "
                           "WHERE filename = '/bin/true'\"");
    ASSERT_EQ(said.code, 0) << said.text;
    const json row = first_line(said);
    ASSERT_TRUE(row.is_object()) << said.text;
    EXPECT_EQ(row["filename"], "/bin/true");
    EXPECT_GT(row["times"], 3);
    EXPECT_EQ(row["own"], 1) << "the record's pid is the process's";
}

TEST(ProbeCommand, a_recording_keeps_it_and_answers_without_the_place_or_root) {
    const std::string path = testing::TempDir() + "waggle-probe-" + std::to_string(::getpid());
    const test::Outcome recorded = while_programs_run(std::string("record --for 1s --probe ") + exec_place +
                                                      " --filter 'old_pid > 0' " + path);
    ASSERT_EQ(recorded.code, 0) << recorded.text;
    const std::string question =
        " --output json \"SELECT count(*) AS times FROM probe WHERE filename = '/bin/true' AND comm = "
        "'true'\"";
    const test::Outcome asked = while_programs_run("query --recording " + path + question);
    ASSERT_EQ(asked.code, 0) << asked.text;
    EXPECT_GT(first_line(asked)["times"], 3) << asked.text;
    EXPECT_LE(while_programs_run("replay " + path).code, 1);
    std::filesystem::remove(path);
}

TEST(ProbeCommand, counts_and_distributions_are_tables_of_their_own) {
    const std::string path = testing::TempDir() + "waggle-count-" + std::to_string(::getpid());
    const test::Outcome counted =
        while_programs_run(std::string("record --for 1s --count --probe ") + fork_place + " " + path);
    ASSERT_EQ(counted.code, 0) << counted.text;
    const test::Outcome asked = while_programs_run(
        "query --recording " + path + " --output json \"SELECT max(times) AS times FROM probe_count\"");
    EXPECT_GT(first_line(asked)["times"], 3) << asked.text;
    std::filesystem::remove(path);
    const test::Outcome top =
        while_programs_run(std::string("top --for 1s --output json --count --probe ") + fork_place);
    ASSERT_EQ(top.code, 0) << top.text;
    EXPECT_TRUE(first_line(top).contains("key")) << top.text;
    const test::Outcome hist =
        while_programs_run(std::string("hist --for 1s --hist pid --probe ") + exec_place);
    ASSERT_EQ(hist.code, 0) << hist.text;
    EXPECT_THAT(hist.text, HasSubstr("#"));
}

TEST(ProbeCommand, it_prints_lines_for_people_and_for_programs) {
    const test::Outcome lines =
        while_programs_run(std::string("probe --args --rows 3 --for 5s ") + exec_place);
    ASSERT_EQ(lines.code, 0) << lines.text;
    EXPECT_THAT(lines.text, HasSubstr("time                pid comm\n"));
    EXPECT_THAT(lines.text, HasSubstr("filename \"/"));
    EXPECT_THAT(lines.text, HasSubstr(std::string(exec_place) + ": "));
    const test::Outcome objects =
        while_programs_run(std::string("probe --args --output json --rows 1 --for 5s ") + exec_place);
    const json row = first_line(objects);
    ASSERT_TRUE(row.is_object()) << objects.text;
    for (const char* key : {"time_ns", "pid", "tid", "comm", "cpu", "filename", "old_pid"})
        EXPECT_TRUE(row.contains(key)) << key;
    const test::Outcome counts = while_programs_run(std::string("probe --count --for 500ms ") + fork_place);
    EXPECT_THAT(counts.text, HasSubstr("       times  comm\n"));
    const test::Outcome traced =
        while_programs_run(std::string("trace --rows 2 --for 5s --probe ") + exec_place);
    EXPECT_EQ(traced.code, 0) << traced.text;
    EXPECT_THAT(traced.text, HasSubstr("filename"));
}

TEST(ProbeCommand, an_option_without_its_place_and_two_answers_at_once_are_refused) {
    for (const auto& [arguments, words] :
         {std::pair{"trace process --filter 'pid > 1'", "--filter goes with --probe PLACE, which is missing"},
          std::pair{"probe --count --hist pid raw_tp:sched_process_fork", "ask for one"},
          std::pair{"probe --by child raw_tp:sched_process_fork", "--count is missing"},
          std::pair{"probe", "probe needs a place"},
          std::pair{"query --probe raw_tp:sched_process_frok 'SELECT 1'", "sched_process_fork"}}) {
        const test::Outcome said = while_programs_run(arguments);
        EXPECT_NE(said.code, 0) << arguments;
        EXPECT_THAT(said.text, HasSubstr(words));
    }
}

}  // namespace
}  // namespace waggle
