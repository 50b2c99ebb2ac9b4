// SPDX-License-Identifier: Apache-2.0
// `waggle run` on an object it does not know: events by their types, maps at the end, refusals with their
// cause.
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "places.h"

namespace waggle {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

struct RunOutcome {
    int code = -1;
    std::string out, err;
};

std::string read_all(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    ::close(fd);
    return text;
}

// This thread renames itself while waggle runs; `--rows` or `--for` ends waggle.
RunOutcome run(std::vector<std::string> arguments, bool rename = true) {
    int out[2], err[2];
    EXPECT_EQ(::pipe(out), 0);
    EXPECT_EQ(::pipe(err), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::dup2(out[1], STDOUT_FILENO);
        ::dup2(err[1], STDERR_FILENO);
        for (const int fd : {out[0], out[1], err[0], err[1]}) ::close(fd);
        std::string program = WAGGLE_BINARY_DIR "/bin/waggle", command = "run";
        std::vector<char*> argv{program.data(), command.data()};
        for (std::string& argument : arguments) argv.push_back(argument.data());
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(99);
    }
    ::close(out[1]);
    ::close(err[1]);
    std::atomic<bool> done{false};
    std::thread renamer([&] {
        while (rename && !done) {
            ::prctl(PR_SET_NAME, "wag\"gle\x1b");
            ::usleep(2'000);
        }
    });
    std::string said;
    std::thread errors([&] { said = read_all(err[0]); });
    RunOutcome outcome;
    outcome.out = read_all(out[0]);
    errors.join();
    outcome.err = said;
    int status = 0;
    ::waitpid(child, &status, 0);
    done = true;
    renamer.join();
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

const std::string object = WAGGLE_BINARY_DIR "/tests/show.bpf.o";

TEST(RunKernel, json_lines_tell_programs_maps_records_and_contents) {
    const RunOutcome outcome = run({object, "--output", "json", "--for", "700ms"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    std::vector<json> lines;
    std::istringstream text(outcome.out);
    for (std::string line; std::getline(text, line);) {
        lines.push_back(json::parse(line, nullptr, false));
        ASSERT_FALSE(lines.back().is_discarded()) << line;
    }
    const auto all = [&](const char* kind, const char* key, const std::string& value) {
        std::vector<json> found;
        for (const json& line : lines)
            if (line.at("kind") == kind && line.contains(key) && line.at(key) == value) found.push_back(line);
        return found;
    };
    const auto program = all("program", "name", "on_rename");
    ASSERT_EQ(program.size(), 1u);
    EXPECT_EQ(program[0].at("type"), "raw_tracepoint");
    EXPECT_EQ(program[0].at("attached"), "raw_tp:task_rename");
    EXPECT_THAT(program[0].at("what").get<std::string>(), HasSubstr("only watches"));
    ASSERT_EQ(all("program", "name", "by_hand").size(), 1u);
    EXPECT_EQ(all("program", "name", "by_hand")[0].at("attached"), "");
    EXPECT_NE(all("program", "name", "by_hand")[0].at("problem"), "");
    ASSERT_EQ(all("map", "name", "records").size(), 1u);
    EXPECT_THAT(all("map", "name", "records")[0].at("what").get<std::string>(), HasSubstr("queue in memory"));

    const auto events = all("record", "type", "struct show_event");
    ASSERT_GE(events.size(), 2u);
    bool perf = false, first = false;
    for (const json& event : events) {
        perf |= event.at("map") == "samples";
        const json& record = event.at("record");
        EXPECT_EQ(record.at("pid"), ::getpid());
        EXPECT_EQ(record.at("name"), "wag\"gle\x1b");
        EXPECT_EQ(record.at("low"), 5);
        EXPECT_EQ(record.at("high"), record.at("number"));
        first |= record.at("number") == 1;
        EXPECT_EQ(record.at("state"), record.at("number") == 1 ? "SHOW_FIRST" : "SHOW_AGAIN");
        EXPECT_THAT(record.at("caller").get<std::string>(), HasSubstr("0x"));
    }
    EXPECT_TRUE(first);
    EXPECT_TRUE(perf);
    bool untyped = false;
    for (const json& line : lines)
        if (line.at("kind") == "record" && line.at("type").is_null()) {
            untyped = true;
            EXPECT_EQ(line.at("bytes").get<std::string>().size(), 144u);
            EXPECT_THAT(line.at("reason").get<std::string>(),
                        HasSubstr("the object's types have no struct *event* of 72 bytes"));
        }
    EXPECT_TRUE(untyped);

    const auto places = all("entry", "map", "places");
    ASSERT_EQ(places.size(), 1u);
    EXPECT_EQ(places[0].at("key").at("pid"), ::getpid());
    const auto renames = all("entry", "map", "renames");
    ASSERT_EQ(renames.size(), 1u);
    std::uint64_t sum = 0;
    for (const json& cpu : renames[0].at("value")) sum += cpu.get<std::uint64_t>();
    const auto globals = all("global", "name", "renamed");
    ASSERT_EQ(globals.size(), 1u);
    EXPECT_EQ(globals[0].at("value"), sum);
    EXPECT_EQ(lines.back().at("kind"), "summary");
    for (const json& each : lines.back().at("programs"))
        if (each.at("program") == "on_rename") {
            EXPECT_GE(each.at("runs").get<std::uint64_t>(), 4u);
        }
}

TEST(RunKernel, text_is_for_people_and_safe_on_a_terminal) {
    const RunOutcome outcome = run({object, "--rows", "6"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("show: 2 programs and "));
    EXPECT_THAT(outcome.out, HasSubstr("Program on_rename (raw_tracepoint, "));
    EXPECT_THAT(outcome.out, HasSubstr("attached: raw_tp:task_rename"));
    EXPECT_THAT(
        outcome.out,
        HasSubstr("Map places (hash, 8-byte key (struct show_place), 8-byte value (__u64), room for 64)"));
    EXPECT_THAT(outcome.out, HasSubstr(R"(state: SHOW_AGAIN, name: "wag\"gle\x1b")"));
    EXPECT_THAT(outcome.out, HasSubstr("Map places (hash, 1 entry)\n  {pid: "));
    EXPECT_THAT(outcome.out, HasSubstr("  3 are zero\n"));
    EXPECT_THAT(outcome.out, HasSubstr("Globals "));
    EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
}

TEST(RunKernel, a_program_is_attached_where_one_asks) {
    const RunOutcome outcome =
        run({object, "--attach", "on_rename=raw_tp:sched_process_exec", "--for", "200ms"}, false);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("attached: raw_tp:sched_process_exec"));
    EXPECT_THAT(outcome.out, HasSubstr("Map places (hash, 0 entries)\n"));
}

TEST(RunKernel, what_is_asked_wrongly_is_refused_with_the_cause) {
    const RunOutcome name = run({object, "--attach", "on_renam=raw_tp:task_rename"}, false);
    EXPECT_EQ(name.code, 2);
    EXPECT_THAT(name.err, HasSubstr("no program named on_renam; did you mean on_rename"));
    const RunOutcome bare = run({object, "--attach", "raw_tp:task_rename"}, false);
    EXPECT_EQ(bare.code, 2);
    EXPECT_THAT(bare.err, HasSubstr("the object has 2 programs; write --attach PROGRAM=PLACE"));
    const RunOutcome file = run({"/proc/self/status"}, false);
    EXPECT_EQ(file.code, 3);
    EXPECT_THAT(file.err, HasSubstr("ELF"));
    EXPECT_EQ(run({"/nonexistent"}, false).code, 3);
}

TEST(RunKernel, nothing_stays_in_the_kernel) {
    const auto programs = [] {
        std::string found;
        FILE* listed = ::popen("bpftool prog show | grep -c 'name on_rename'", "r");
        char line[64] = {};
        if (listed && ::fgets(line, sizeof line, listed)) found = line;
        if (listed) ::pclose(listed);
        return found;
    };
    const std::string before = programs();
    EXPECT_EQ(run({object, "--rows", "2"}).code, 0);
    // The kernel frees a program a moment after its last holder is gone.
    for (int i = 0; i < 100 && programs() != before; ++i) ::usleep(50'000);
    EXPECT_EQ(programs(), before);
}

}  // namespace
}  // namespace waggle
