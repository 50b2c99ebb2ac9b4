// SPDX-License-Identifier: Apache-2.0
// A live session on this kernel: known workloads, exact rows, a recording that replays to the same bytes,
// nothing left behind.
#include "agent/session.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/replay.h"
#include "agent/sources.h"
#include "base/text.h"
#include "places.h"
#include "render/json.h"
#include "render/terminal.h"
#include "sensors/block_io/testing/loop_device.h"

extern char** environ;

namespace waggle::agent {
namespace {

const SystemClock system_clock;

std::unique_ptr<Session> started(const SessionOptions& options = {}) {
    Result<std::unique_ptr<Session>> session = Session::start(options, system_clock);
    EXPECT_TRUE(session) << session.error().message;
    return session ? std::move(*session) : nullptr;
}

void run_for(Session& session, std::uint64_t ns) {
    const std::atomic<bool> stop{false};
    session.run(system_clock.monotonic_ns() + ns, stop, {});
}

// Runs /bin/true so many times, one after the other.
void run_true(int times) {
    char program[] = "/bin/true";
    char* argv[] = {program, nullptr};
    for (int i = 0; i < times; ++i) {
        pid_t child = 0;
        ASSERT_EQ(posix_spawn(&child, program, nullptr, nullptr, argv, environ), 0);
        ASSERT_EQ(waitpid(child, nullptr, 0), child);
    }
}

std::int64_t number(Session& session, const std::string& sql) {
    const auto result = session.store().sql().query(sql);
    EXPECT_TRUE(result) << result.error().message;
    return result && !result->rows.empty() ? result->rows[0][0].integer : -1;
}

// The ids of the BPF programs that a process holds.
std::set<std::uint32_t> programs_of(pid_t pid) {
    std::set<std::uint32_t> ids;
    const std::string folder = "/proc/" + std::to_string(pid) + "/fdinfo";
    DIR* files = opendir(folder.c_str());
    if (!files) return ids;
    while (const dirent* entry = readdir(files)) {
        std::ifstream info(folder + "/" + entry->d_name);
        for (std::string line; std::getline(info, line);)
            if (line.starts_with("prog_id:"))
                ids.insert(static_cast<std::uint32_t>(std::stoul(line.substr(8))));
    }
    closedir(files);
    return ids;
}

TEST(SessionKernel, a_thousand_short_processes_are_a_thousand_starts_and_a_thousand_ends) {
    const auto session = started();
    ASSERT_TRUE(session);
    std::atomic<bool> done{false};
    const pid_t parent = fork();
    if (parent == 0) {
        run_true(1000);
        _exit(0);
    }
    Callbacks callbacks;
    callbacks.done = [&] { return waitpid(parent, nullptr, WNOHANG) == parent; };
    session->run(system_clock.monotonic_ns() + 250'000'000'000, done, callbacks);
    run_for(*session, 200'000'000);
    const std::string ours = " WHERE parent_pid = " + std::to_string(parent);
    EXPECT_EQ(number(*session, "SELECT count(*) FROM process_exec" + ours), 1000);
    EXPECT_EQ(number(*session, "SELECT count(*) FROM process_exit" + ours + " AND exit_code = 0"), 1000);
    for (const explain::SensorCoverage& part : session->coverage())
        for (const Loss& loss : part.lost) EXPECT_EQ(loss.count, 0u) << part.sensor << ": " << loss.cause;
}

TEST(SessionKernel, a_process_that_is_gone_still_has_its_executable) {
    const auto session = started();
    ASSERT_TRUE(session);
    run_true(3);
    run_for(*session, 300'000'000);
    const auto result = session->store().sql().query(
        "SELECT exe FROM process_exit WHERE comm = 'true' AND parent_pid = " + std::to_string(getpid()));
    ASSERT_TRUE(result) << result.error().message;
    ASSERT_EQ(result->rows.size(), 3u);
    for (const auto& row : result->rows) EXPECT_TRUE(row[0].text.ends_with("/true")) << row[0].text;
}

TEST(SessionKernel, what_was_counted_while_the_sensors_started_is_not_of_the_session) {
    const auto disk = sensors::LoopDevice::make(1u << 20);
    ASSERT_TRUE(disk) << disk.error().message;
    const std::uint64_t began = system_clock.monotonic_ns();
    const auto session = started();
    ASSERT_TRUE(session);
    const auto starting = static_cast<std::int64_t>(session->started_ns() - began);
    const std::string read =
        "dd if=/dev/" + (*disk)->name() + " of=/dev/null bs=4k count=8 iflag=direct 2>/dev/null";
    ASSERT_EQ(std::system(read.c_str()), 0);
    run_for(*session, 300'000'000);
    ASSERT_GT(number(*session, "SELECT count(*) FROM block_device"), 0);
    EXPECT_LT(
        number(*session, "SELECT max(w.from_ns - (b.time_ns - b.covers_ns)) FROM block_device b, window w"),
        starting / 4);
}

TEST(SessionKernel, a_recording_replays_to_the_same_bytes) {
    const std::string path = testing::TempDir() + "waggle_session_" + std::to_string(getpid());
    SessionOptions options;
    const auto session = started(options);
    ASSERT_TRUE(session);
    session->read_baseline("");
    auto writer = RecordingWriter::create(path, options.memory_bytes);
    ASSERT_TRUE(writer) << writer.error().message;
    session->record_to(&*writer, "");
    run_true(50);
    run_for(*session, 1'200'000'000);
    const explain::Answer live = session->answer("");
    ASSERT_TRUE(writer->close());
    const auto replay = Replay::open(path);
    std::remove(path.c_str());
    ASSERT_TRUE(replay) << replay.error().message;
    EXPECT_EQ((*replay)->problem(), "");
    const explain::Answer again = (*replay)->answer("");
    EXPECT_EQ(sinks::answer_json(live), sinks::answer_json(again));
    EXPECT_EQ(sinks::render_answer(live, {}), sinks::render_answer(again, {}));
    for (const char* question :
         {"SELECT count(*), sum(ran_ns) FROM process_exit", "SELECT count(*) FROM sockets",
          "SELECT pid, comm, exe, cgroup FROM process_exec ORDER BY time_ns"}) {
        const auto then = session->store().sql().query(question);
        const auto now = (*replay)->store().sql().query(question);
        ASSERT_TRUE(then && now) << question;
        EXPECT_EQ(sinks::result_json_lines(*then), sinks::result_json_lines(*now)) << question;
    }
}

TEST(SessionKernel, kill_9_leaves_no_program_in_the_kernel) {
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        const auto session = started();
        const char byte = session ? 'y' : 'n';
        if (write(ready[1], &byte, 1) != 1) _exit(1);
        for (;;) run_for(*session, 1'000'000'000);
    }
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    const std::set<std::uint32_t> ids = programs_of(child);
    EXPECT_GE(ids.size(), 3u);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    // The kernel frees programs and links a moment after their last file is closed.
    std::size_t left = ids.size();
    for (int tries = 0; left > 0 && tries < 100; ++tries) {
        usleep(100'000);
        left = 0;
        for (const std::uint32_t id : ids) {
            const int fd = bpf_prog_get_fd_by_id(id);
            if (fd < 0) continue;
            ++left;
            close(fd);
        }
    }
    EXPECT_EQ(left, 0u);
}

TEST(SessionKernel, an_unknown_sensor_is_refused_with_the_nearest_name) {
    SessionOptions options;
    options.sensors = {"proces"};
    const auto session = Session::start(options, system_clock);
    ASSERT_FALSE(session);
    EXPECT_NE(session.error().message.find("did you mean process"), std::string::npos)
        << session.error().message;
    EXPECT_EQ(session.error().kind, ErrorKind::usage);
}

TEST(SessionKernel, rows_stay_within_the_memory_they_were_given) {
    SessionOptions options;
    options.memory_bytes = 2u << 20;
    const auto session = started(options);
    ASSERT_TRUE(session);
    std::size_t held = 0;
    for (Table* table : session->store().tables()) held += table->held_bytes();
    EXPECT_LE(held, options.memory_bytes);
    run_true(100);
    run_for(*session, 300'000'000);
    held = 0;
    for (Table* table : session->store().tables()) held += table->held_bytes();
    EXPECT_LE(held, options.memory_bytes);
}

// A script of bpftrace beside the sensors: a rule of the user's asks its table, and a recording keeps it.
TEST(SessionKernel, a_rule_of_the_users_asks_what_a_script_of_bpftrace_counted) {
    const std::filesystem::path folder =
        std::filesystem::path(testing::TempDir()) / ("waggle-script-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder / "rules.d");
    std::ofstream(folder / "count.bt") << "BEGIN { @work[\"done\"] = 7; }\ninterval:ms:200 { exit(); }\n";
    std::ofstream(folder / "rules.d" / "mine.yaml") << R"(rule: work_was_done
topic: work
severity: note
confidence: high
when: SELECT key, value AS times FROM bpftrace WHERE map = '@work' AND value > 5
object: {kind: script, name: key}
evidence: {counted: {view: bpftrace, columns: [map, key, value]}}
words:
  what: "{key} was counted {times} times."
  because: ["The script counted it."]
  evidence: {counted: "What it counted."}
  impact: "Nobody is hurt."
  try: [{say: "Nothing."}]
  check: [{do: waggle why work}]
)";
    SessionOptions options;
    options.sensors = {"bpftrace"};
    ASSERT_TRUE(
        options.start.values.set(*source_named("bpftrace")->asked_by, (folder / "count.bt").string()));
    options.user_folder = folder;
    const auto session = started(options);
    ASSERT_TRUE(session);
    const std::string path = folder / "script.waggle";
    Result<RecordingWriter> writer = RecordingWriter::create(path, options.memory_bytes);
    ASSERT_TRUE(writer);
    session->record_to(&*writer, "");
    const std::uint64_t began_ns = system_clock.monotonic_ns();
    run_for(*session, 600'000'000'000);
    EXPECT_LT(system_clock.monotonic_ns() - began_ns, 120'000'000'000u) << "the script's end is the end";
    const explain::Answer answer = session->answer("work");
    ASSERT_TRUE(writer->close());
    ASSERT_EQ(answer.findings.size(), 1u);
    EXPECT_EQ(answer.findings[0].what, "done was counted 7 times.");
    EXPECT_TRUE(answer.problems.empty()) << answer.problems[0];
    const auto replay = Replay::open(path);
    ASSERT_TRUE(replay) << replay.error().message;
    const auto kept = (*replay)->store().sql().query("SELECT value FROM bpftrace WHERE map = '@work'");
    ASSERT_TRUE(kept) << kept.error().message;
    ASSERT_EQ(kept->rows.size(), 1u);
    EXPECT_EQ(kept->rows[0][0].integer, 7);
    std::filesystem::remove_all(folder);
    // The recording holds the rule that was in force: the folder is gone.
    const explain::Answer replayed = (*replay)->answer("work");
    ASSERT_EQ(replayed.findings.size(), 1u);
    EXPECT_EQ(replayed.findings[0].what, answer.findings[0].what);
}

// What `waggle probe` watches is a source like any other: its counts stand in a table that rules and
// recordings see.
TEST(SessionKernel, a_rule_of_the_users_asks_what_was_counted_at_a_place) {
    const std::filesystem::path folder =
        std::filesystem::path(testing::TempDir()) / ("waggle-place-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder / "rules.d");
    std::ofstream(folder / "rules.d" / "mine.yaml") << R"(rule: somebody_is_renamed
topic: work
severity: note
confidence: high
when: SELECT key, times FROM probe_count WHERE times >= 8
object: {kind: program, name: key}
evidence: {counts: {view: probe_count, columns: [key, times]}}
words:
  what: "{key} took its name {times} times."
  because: ["They were counted where the kernel names them."]
  evidence: {counts: "The counts."}
  impact: "Nobody is hurt."
  try: [{say: "Nothing."}]
  check: [{do: waggle why work}]
)";
    SessionOptions options;
    ASSERT_EQ(prctl(PR_SET_NAME, "renamed"), 0);
    options.sensors = {"probe"};
    options.start.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
    ASSERT_TRUE(options.start.values.set(*option_named("probe"), "raw_tp:task_rename"));
    ASSERT_TRUE(options.start.values.set(*option_named("count"), "yes"));
    options.user_folder = folder;
    auto session = started(options);
    ASSERT_TRUE(session);
    const std::string path = folder / "place.waggle";
    Result<RecordingWriter> writer = RecordingWriter::create(path, options.memory_bytes);
    ASSERT_TRUE(writer);
    session->record_to(&*writer, "");
    for (int i = 0; i < 8; ++i) ASSERT_EQ(prctl(PR_SET_NAME, "renamed"), 0);
    run_for(*session, 200'000'000);
    const explain::Answer answer = session->answer("work");
    ASSERT_TRUE(writer->close());
    EXPECT_THAT(answer.problems, testing::IsEmpty());
    ASSERT_EQ(answer.findings.size(), 1u);
    EXPECT_EQ(answer.findings[0].what, "renamed took its name 8 times.");
    session.reset();
    std::filesystem::rename(path, path + ".kept");
    const auto replay = Replay::open(path + ".kept");
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(replay) << replay.error().message;
    const explain::Answer replayed = (*replay)->answer("work");
    ASSERT_EQ(replayed.findings.size(), 1u);
    EXPECT_EQ(replayed.findings[0].what, answer.findings[0].what);
}

// On a machine with many network namespaces the facts take longer to read than a small file lasts.
TEST(SessionKernel, files_that_change_sooner_than_the_facts_are_read_are_whole_recordings) {
    SessionOptions options;
    options.sensors = {"process"};
    auto session = started(options);
    ASSERT_TRUE(session);
    const std::string path = testing::TempDir() + "waggle-short-parts-" + std::to_string(getpid());
    Result<RecordingWriter> writer = RecordingWriter::create(path, options.memory_bytes);
    ASSERT_TRUE(writer);
    session->record_to(&*writer, "", {.bytes = 0, .ns = 7'000'000});  // each batch begins a file
    run_for(*session, 3'000'000'000);
    session->answer("");
    ASSERT_TRUE(writer->close());
    session.reset();
    int parts = 0;
    for (unsigned part = 0; part < RecordingKeep::parts; ++part) {
        const std::string file = part == 0 ? path : path + "." + std::to_string(part);
        if (!std::filesystem::exists(file)) continue;
        ++parts;
        const auto replay = Replay::open(file);
        ASSERT_TRUE(replay) << replay.error().message;
        EXPECT_EQ((*replay)->problem(), "") << file;
        EXPECT_THAT((*replay)->answer("").problems, testing::IsEmpty()) << file;
        std::filesystem::remove(file);
    }
    EXPECT_GT(parts, 2);
}

TEST(SessionKernel, a_source_that_cannot_filter_is_not_shown_unfiltered) {
    SessionOptions options;
    options.sensors = {"object"};
    options.start.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
    ASSERT_TRUE(options.start.values.set(*option_named("object"), WAGGLE_BINARY_DIR "/tests/show.bpf.o"));
    const auto session = Session::start(options, system_clock);
    ASSERT_FALSE(session);
    EXPECT_EQ(session.error().message, "object cannot be asked for one pid alone");
    EXPECT_EQ(session.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace waggle::agent
