// SPDX-License-Identifier: Apache-2.0
// A recording survives its recorder: killed at any time, it replays up to a second before.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>

#include "agent/replay.h"
#include "places.h"
#include "tests/testing/command.h"
#include "tests/testing/time.h"

extern char** environ;

namespace waggle {
namespace {

using test::millisecond_ns;
using test::second_ns;
using test::system_clock;

// The sensors and the facts are in the file: they stand before the first moment.
bool holds_facts(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str().find("\"from_realtime_ns\"") != std::string::npos;
}

class Recorder {
  public:
    explicit Recorder(std::string path, std::vector<std::string> flags = {}) : path_(std::move(path)) {
        std::string program = WAGGLE_BINARY_DIR "/bin/waggle", command = "record";
        std::vector<char*> arguments{program.data(), command.data(), path_.data()};
        for (std::string& flag : flags) arguments.push_back(flag.data());
        arguments.push_back(nullptr);
        EXPECT_EQ(posix_spawn(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ), 0);
    }
    ~Recorder() {
        if (pid_ > 0) end(SIGKILL);
    }
    int end(int signal) {
        int status = 0;
        ::kill(pid_, signal);
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }
    void wait_until_it_records() const {
        for (int i = 0; i < 600; ++i) {
            if (holds_facts(path_)) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
        FAIL() << path_ << " holds nothing";
    }

  private:
    std::string path_;
    pid_t pid_ = -1;
};

void run_true() {
    char program[] = "/bin/true";
    char* argv[] = {program, nullptr};
    pid_t child = 0;
    ASSERT_EQ(posix_spawn(&child, program, nullptr, nullptr, argv, environ), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

class Record : public testing::Test {
  protected:
    std::int64_t worked_ = 0;
    std::string path_ = testing::TempDir() + "waggle_record_" + std::to_string(getpid());
    void TearDown() override { std::remove(path_.c_str()); }

    // `late_ns`: the longest that this machine kept one waiting meanwhile who wanted to work. `slow`: the recorder is no
    // measure of time here.
    void expect_up_to_a_second_before(const std::string& file, std::uint64_t began_ns,
                                      std::uint64_t killed_ns, std::uint64_t late_ns, bool slow) {
        const auto replay = agent::Replay::open(file);
        ASSERT_TRUE(replay) << replay.error().message;
        EXPECT_FALSE((*replay)->answer("").problems.empty()) << "nobody wrote its closing moment";
        const auto last = (*replay)->store().sql().query(
            "SELECT max(time_ns) FROM process_exit WHERE parent_pid = " + std::to_string(getpid()));
        ASSERT_TRUE(last) << last.error().message;
        // A second between two looks, and what writing takes on a machine with other things to do.
        const std::uint64_t allowed_ns = slow ? 30 * second_ns : 1'500 * millisecond_ns + 3 * late_ns;
        if (killed_ns - began_ns > allowed_ns) {
            EXPECT_GE(static_cast<std::uint64_t>(last->rows[0][0].integer) + allowed_ns, killed_ns) << file;
        }
        const auto facts = (*replay)->store().sql().query("SELECT count(*) FROM processes");
        ASSERT_TRUE(facts);
        EXPECT_GT(facts->rows[0][0].integer, 0) << "the facts stand at the beginning";
    }

    // A program each 50 ms until then; gives when the last one ended.
    std::uint64_t work(std::uint64_t for_ns) {
        const std::uint64_t until_ns = system_clock.monotonic_ns() + for_ns;
        std::uint64_t last_ns = 0;
        while (system_clock.monotonic_ns() < until_ns) {
            run_true();
            ++worked_;
            last_ns = system_clock.monotonic_ns();
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        return last_ns;
    }
};

// What a kill leaves is what was written until then, so a copy of the file at a random moment is what a kill at that
// moment would have left. Five recorders, of each nineteen copies, and then it is really killed: a hundred moments.
// WAGGLE_KILLS says another number of recorders.
TEST_F(Record, killed_at_any_of_a_hundred_moments_it_replays_up_to_a_second_before) {
    const bool emulated = std::getenv("WAGGLE_VM") != nullptr;
    const char* wanted = std::getenv("WAGGLE_KILLS");
#ifdef WAGGLE_SANITIZED
    constexpr int usual_kills = 1, usual_copies = 2;
    const bool slow = true;  // the recorder itself
#else
    constexpr int usual_kills = 5, usual_copies = 19;
    const bool slow = emulated;
#endif
    const int kills = wanted ? std::atoi(wanted) : emulated ? 1 : usual_kills;
    const int copies = emulated ? 2 : usual_copies;
    std::mt19937 random(std::random_device{}());
    for (int i = 0; i < kills; ++i) {
        std::remove(path_.c_str());
        Recorder recorder(path_, {"--for", "10m"});
        recorder.wait_until_it_records();
        const std::uint64_t began_ns = system_clock.monotonic_ns();
        std::vector<std::uint64_t> moments_ns(copies + 1);
        for (std::uint64_t& moment : moments_ns) moment = began_ns + random() % (4 * second_ns);
        std::ranges::sort(moments_ns);
        std::vector<std::pair<std::uint64_t, std::string>> left;  // when, and which file
        std::uint64_t late_ns = 0;
        {
            const test::Meanwhile working([&] {
                const std::uint64_t due_ns = system_clock.monotonic_ns() + 50 * millisecond_ns;
                run_true();
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
                late_ns = std::max(late_ns, system_clock.monotonic_ns() - due_ns);
            });
            for (const std::uint64_t moment : moments_ns) {
                const std::uint64_t now = system_clock.monotonic_ns();
                if (moment > now) std::this_thread::sleep_for(std::chrono::nanoseconds(moment - now));
                left.emplace_back(system_clock.monotonic_ns(), path_ + "_" + std::to_string(left.size()));
                if (left.size() == moments_ns.size()) {
                    recorder.end(SIGKILL);
                    left.back().second = path_;
                } else {
                    std::filesystem::copy_file(path_, left.back().second);
                }
            }
        }
        for (const auto& [killed_ns, file] : left) {
            expect_up_to_a_second_before(file, began_ns, killed_ns, late_ns, slow);
            if (file != path_) std::remove(file.c_str());
        }
    }
}

TEST_F(Record, a_terminal_that_goes_away_ends_it_in_order) {
    Recorder recorder(path_);
    recorder.wait_until_it_records();
    work(second_ns);
    const int status = recorder.end(SIGHUP);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    const auto replay = agent::Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    EXPECT_EQ((*replay)->problem(), "");
}

// All that the sensor `process` has seen and a recording holds.
const std::string rows_of_process =
    "SELECT (SELECT count(*) FROM process_exec) + (SELECT count(*) FROM process_fork) + "
    "(SELECT count(*) FROM process_exit) + (SELECT count(*) FROM process_exec_failure) + "
    "(SELECT count(*) FROM process_signal)";

std::int64_t number_of(agent::Replay& replay, const std::string& sql) {
    const auto result = replay.store().sql().query(sql);
    EXPECT_TRUE(result) << result.error().message;
    return result && !result->rows.empty() ? result->rows[0][0].integer : -1;
}

TEST_F(Record, keeps_the_newest_in_files_of_which_each_is_a_whole_recording) {
    Recorder recorder(path_, {"--keep", "7s"});
    recorder.wait_until_it_records();
    const std::uint64_t worked_ns = work(5 * second_ns);
    const int status = recorder.end(SIGTERM);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    std::int64_t ended = 0, newest_ns = 0;
    int parts = 0;
    for (int part = 0; part < 8; ++part) {
        const std::string file = part == 0 ? path_ : path_ + "." + std::to_string(part);
        if (!std::filesystem::exists(file)) continue;
        ++parts;
        const auto replay = agent::Replay::open(file);
        ASSERT_TRUE(replay) << replay.error().message;
        EXPECT_EQ((*replay)->problem(), "") << file;
        const explain::Answer answer = (*replay)->answer("");
        EXPECT_TRUE(answer.problems.empty()) << file << ": " << answer.problems.front();
        EXPECT_GT(number_of(**replay, "SELECT count(*) FROM processes"), 0) << file;
        // What the file holds and what it says it holds are the same.
        const auto process = std::ranges::find(answer.coverage, "process", &explain::SensorCoverage::sensor);
        ASSERT_NE(process, answer.coverage.end());
        EXPECT_EQ(static_cast<std::int64_t>(process->seen), number_of(**replay, rows_of_process)) << file;
        const std::string ours =
            "SELECT count(*) FROM process_exit WHERE parent_pid = " + std::to_string(getpid());
        ended += number_of(**replay, ours);
        newest_ns = std::max(newest_ns, number_of(**replay, "SELECT max(time_ns) FROM process_exit"));
        std::remove(file.c_str());
    }
    EXPECT_GE(parts, 3);
    EXPECT_EQ(ended, worked_) << "none is missing between two files";
    EXPECT_LE(static_cast<std::uint64_t>(newest_ns) / second_ns, worked_ns / second_ns + 1);
}

TEST_F(Record, a_full_disk_ends_it_and_what_stands_there_replays) {
    const std::string folder = path_ + "_disk";
    ASSERT_EQ(std::system(("mkdir -p " + folder + " && mount -t tmpfs -o size=8m none " + folder).c_str()),
              0);
    test::Outcome ended;
    {
        // Something else fills the disk while it records.
        const test::Meanwhile working([&] {
            if (holds_facts(folder + "/file"))
                std::ofstream(folder + "/other", std::ios::app) << std::string(64 << 10, '.');
            run_true();
        });
        ended = test::outcome_of(test::waggle_command("record " + folder + "/file --for 60s 2>&1"));
    }
    EXPECT_EQ(ended.code, 3);
    EXPECT_NE(ended.text.find("No space left on device"), std::string::npos) << ended.text;
    const auto replayed = test::outcome_of(test::waggle_command("replay " + folder + "/file 2>&1"));
    EXPECT_EQ(replayed.code, 3);
    EXPECT_NE(replayed.text.find("offset"), std::string::npos) << replayed.text;
    const auto asked = test::outcome_of(test::waggle_command(
        "query --recording " + folder + "/file 'SELECT count(*) AS n FROM processes' 2>&1"));
    EXPECT_EQ(asked.code, 0) << asked.text;
    EXPECT_EQ(std::system(("umount " + folder + " && rmdir " + folder).c_str()), 0);
}

TEST_F(Record, an_answer_is_printed_though_its_recording_finds_no_room) {
    const auto answered = test::outcome_of(test::waggle_command("why --for 1s --record /dev/full 2>&1"));
    EXPECT_EQ(answered.code, 3);
    EXPECT_NE(answered.text.find("Watched "), std::string::npos) << answered.text;
    EXPECT_NE(answered.text.find("cannot write /dev/full: No space left on device"), std::string::npos);
}

TEST_F(Record, standard_output_is_a_recording_and_a_reader_that_goes_ends_it) {
    const auto whole = test::outcome_of(test::waggle_command("record - --for 1s 2>/dev/null > " + path_));
    EXPECT_EQ(whole.code, 0);
    const auto replay = agent::Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    EXPECT_EQ((*replay)->problem(), "");
    const auto began = std::chrono::steady_clock::now();
    const auto cut = test::outcome_of("bash -c '" + test::waggle_command("record - --for 60s") +
                                      " 2>/dev/null | head -c 100 >/dev/null; exit ${PIPESTATUS[0]}'");
    EXPECT_EQ(cut.code, 3);
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(40));
}

// Rows beyond what the recorder remembered are asked too, and take no memory of their own.
TEST_F(Record, a_query_reads_the_whole_file_within_little_memory) {
    const std::string record = "record " + path_ + " --memory 4 --for 6s >/dev/null";
    // Long words, so that a few programs fill the memory.
    const std::string work =
        "A=$(head -c 1500 /dev/zero | tr '\\0' a); for i in $(seq 3000); do /bin/true $A; done";
    ASSERT_EQ(std::system((test::waggle_command(record) + " & sleep 3; " + work + "; wait").c_str()), 0);
    const auto replay = agent::Replay::open(path_);
    ASSERT_TRUE(replay) << replay.error().message;
    const auto whole = agent::Replay::open_whole(path_);
    ASSERT_TRUE(whole) << whole.error().message;
    const std::string all = "SELECT count(*) FROM process_exec";
    EXPECT_GT(number_of(**whole, all), number_of(**replay, all)) << "the recorder had forgotten some";
    const explain::Answer answer = (*replay)->answer("");
    const auto process = std::ranges::find(answer.coverage, "process", &explain::SensorCoverage::sensor);
    ASSERT_NE(process, answer.coverage.end());
    EXPECT_EQ(static_cast<std::int64_t>(process->seen), number_of(**whole, rows_of_process));
#ifndef WAGGLE_SANITIZED  // whose own memory is beyond any such limit
    // So much for a file of any size.
    const auto asked =
        test::outcome_of("prlimit --data=60000000 " +
                         test::waggle_command("query --recording " + path_ + " '" + all + "' 2>&1"));
    EXPECT_EQ(asked.code, 0) << asked.text;
#endif
}

}  // namespace
}  // namespace waggle
