// SPDX-License-Identifier: Apache-2.0
// What each command says it saw and what it says it lost is together what happened, also where its reader stood still
// for a while: counted against a function that this test calls so many times, and against the kernel's own counters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <thread>

#include "places.h"

extern char** environ;

extern "C" [[gnu::noinline, gnu::used]] void waggle_counted_place(int) { asm volatile("" ::: "memory"); }

namespace waggle {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

// More than fit into the ring of a command that shows single events, 8 MiB, and so into any.
constexpr std::uint64_t many_calls = 150'000;
constexpr int many_programs = 2'500;

std::string content_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

// waggle at work, with its output in files.
class Watching {
  public:
    explicit Watching(const std::vector<std::string>& words) {
        const std::string base = testing::TempDir() + "waggle_coverage_" + std::to_string(getpid());
        out_path_ = base + "_out";
        err_path_ = base + "_err";
        std::vector<std::string> all{WAGGLE_BINARY_DIR "/bin/waggle"};
        all.insert(all.end(), words.begin(), words.end());
        std::vector<char*> argv;
        for (std::string& word : all) argv.push_back(word.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t files;
        posix_spawn_file_actions_init(&files);
        posix_spawn_file_actions_addopen(&files, 1, out_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        posix_spawn_file_actions_addopen(&files, 2, err_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        EXPECT_EQ(posix_spawn(&pid_, argv[0], &files, nullptr, argv.data(), environ), 0);
        posix_spawn_file_actions_destroy(&files);
    }
    ~Watching() {
        if (pid_ > 0) end(SIGKILL);
        std::remove(out_path_.c_str());
        std::remove(err_path_.c_str());
    }
    // Its reader is a thread of its own: with it the watching has begun.
    bool wait_until_it_watches() const {
        const std::filesystem::path threads = "/proc/" + std::to_string(pid_) + "/task";
        for (int i = 0; i < 1200; ++i) {
            std::error_code gone;
            if (std::distance(std::filesystem::directory_iterator(threads, gone), {}) >= 2) return true;
            std::this_thread::sleep_for(50ms);
        }
        return false;
    }
    void stall(const std::function<void()>& meanwhile) const {
        ::kill(pid_, SIGSTOP);
        int status = 0;
        ::waitpid(pid_, &status, WUNTRACED);
        meanwhile();
        ::kill(pid_, SIGCONT);
    }
    int end(int signal) {
        int status = 0;
        ::kill(pid_, signal);
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        out = content_of(out_path_);
        err = content_of(err_path_);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    std::string out, err;

  private:
    std::string out_path_, err_path_;
    pid_t pid_ = -1;
};

std::uint64_t number(std::string text) {
    std::erase(text, ',');
    return text.empty() ? 0 : std::stoull(text);
}

// What the first group of the pattern matched last; 0 where it is not there.
std::uint64_t said(const std::string& text, const std::string& pattern) {
    std::uint64_t value = 0;
    const std::regex wanted(pattern);
    for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at)
        value = number((*at)[1]);
    return value;
}

std::vector<nlohmann::json> lines_of(const std::string& text) {
    std::vector<nlohmann::json> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        out.push_back(nlohmann::json::parse(line, nullptr, false));
        EXPECT_TRUE(out.back().is_object()) << line;
    }
    return out;
}

struct Figures {
    std::uint64_t seen = 0;
    std::uint64_t lost = 0;
};

// Of one sensor in a list of sensors with their losses.
Figures of_sensor(const nlohmann::json& sensors, const std::string& name) {
    Figures out;
    for (const auto& each : sensors) {
        if (each["sensor"] != name) continue;
        out.seen = each["seen"];
        for (const auto& loss : each["lost"]) out.lost += loss["count"].get<std::uint64_t>();
    }
    return out;
}

class Coverage : public testing::Test {
  protected:
    static std::vector<std::string> with_probe(std::vector<std::string> words) {
        const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
        words.insert(words.end(), {"--probe", "uprobe:" + self + ":waggle_counted_place"});
        return words;
    }
    // Calls before, while and after the reader stands still.
    static std::uint64_t call_with_a_stall(const Watching& watching) {
        const std::uint64_t few = 1'000;
        call(few);
        watching.stall([] { call(many_calls); });
        std::this_thread::sleep_for(1500ms);
        call(few);
        std::this_thread::sleep_for(500ms);
        return many_calls + 2 * few;
    }
    static void call(std::uint64_t times) {
        for (std::uint64_t i = 0; i < times; ++i) waggle_counted_place(static_cast<int>(i));
    }
    static void expect_truth(const Figures& figures, std::uint64_t truth, const Watching& watching) {
        EXPECT_GT(figures.lost, 0u) << watching.err;
        EXPECT_EQ(figures.seen + figures.lost, truth) << watching.err;
        EXPECT_THAT(watching.err + watching.out, HasSubstr("ring full"));
    }
    std::string recording_ = testing::TempDir() + "waggle_coverage_rec_" + std::to_string(getpid());
    void TearDown() override { std::remove(recording_.c_str()); }
};

constexpr const char* lost_of_probe = "probe:?\\s+([0-9,]+)\\s+\\(?ring\\s+full";

TEST_F(Coverage, of_trace_agrees_with_the_truth) {
    for (const bool json : {false, true}) {
        Watching watching(with_probe({"trace", "probe", "--output", json ? "json" : "table"}));
        ASSERT_TRUE(watching.wait_until_it_watches());
        const std::uint64_t truth = call_with_a_stall(watching);
        EXPECT_EQ(watching.end(SIGINT), 0);
        Figures figures{said(watching.err, "([0-9,]+) rows, [0-9,]+ lost"),
                        said(watching.err, lost_of_probe)};
        expect_truth(figures, truth, watching);
        if (!json) continue;
        figures = {};
        for (const auto& line : lines_of(watching.out))
            if (line.value("table", "") == "self")
                figures.lost += line["count"].get<std::uint64_t>();
            else
                ++figures.seen;
        expect_truth(figures, truth, watching);
    }
}

TEST_F(Coverage, of_query_agrees_with_the_truth) {
    for (const bool json : {false, true}) {
        Watching watching(with_probe({"query", "SELECT count(*) AS n FROM probe", "--for", "60s", "--memory",
                                      "1024", "--output", json ? "json" : "table"}));
        ASSERT_TRUE(watching.wait_until_it_watches());
        const std::uint64_t truth = call_with_a_stall(watching);
        EXPECT_EQ(watching.end(SIGINT), 0);
        Figures figures{said(watching.out, "\\n *([0-9,]+) *\\n"), said(watching.err, lost_of_probe)};
        if (json) {
            const auto lines = lines_of(watching.out);
            ASSERT_EQ(lines.size(), 2u);
            figures = {lines[0]["n"], lines[1]["count"]};
            EXPECT_EQ(lines[1]["table"], "self");
            EXPECT_EQ(said(watching.err, lost_of_probe), figures.lost);
        }
        expect_truth(figures, truth, watching);
        EXPECT_EQ(watching.err.find("left the memory"), std::string::npos) << watching.err;
    }
}

TEST_F(Coverage, of_query_names_losses_of_the_tables_that_are_asked_only) {
    Watching watching(with_probe({"query", "SELECT count(*) AS n FROM process_exec", "--for", "60s"}));
    ASSERT_TRUE(watching.wait_until_it_watches());
    call_with_a_stall(watching);
    EXPECT_EQ(watching.end(SIGINT), 0);
    EXPECT_EQ(watching.err.find("probe"), std::string::npos) << watching.err;
}

TEST_F(Coverage, of_query_says_which_rows_had_left_the_memory) {
    Watching watching(with_probe(
        {"query", "SELECT count(*) AS n FROM probe", "--for", "60s", "--memory", "8", "--output", "json"}));
    ASSERT_TRUE(watching.wait_until_it_watches());
    const std::uint64_t truth = call_with_a_stall(watching);
    EXPECT_EQ(watching.end(SIGINT), 0);
    const auto lines = lines_of(watching.out);
    ASSERT_EQ(lines.size(), 2u);
    const std::uint64_t left = said(watching.err, "([0-9,]+) older rows of probe had left the memory");
    EXPECT_GT(left, 0u) << watching.err;
    EXPECT_EQ(lines[0]["n"].get<std::uint64_t>() + left + lines[1]["count"].get<std::uint64_t>(), truth);
}

TEST_F(Coverage, of_why_agrees_with_the_truth) {
    for (const bool json : {false, true}) {
        Watching watching(with_probe({"why", "--for", "60s", "--output", json ? "json" : "table"}));
        ASSERT_TRUE(watching.wait_until_it_watches());
        const std::uint64_t truth = call_with_a_stall(watching);
        EXPECT_LE(watching.end(SIGINT), 1);
        Figures figures{said(watching.out, "rows\\s+seen[^.]*probe\\s+([0-9,]*[0-9])"),
                        said(watching.out, lost_of_probe)};
        if (json) {
            const auto answer = nlohmann::json::parse(watching.out, nullptr, false);
            ASSERT_TRUE(answer.is_object());
            figures = of_sensor(answer["coverage"]["sensors"], "probe");
            EXPECT_EQ(said(watching.err, lost_of_probe), figures.lost);
        }
        expect_truth(figures, truth, watching);
    }
}

TEST_F(Coverage, of_record_agrees_with_the_truth_and_so_does_its_replay) {
    for (const bool json : {false, true}) {
        Watching watching(
            with_probe({"record", recording_, "--for", "60s", "--output", json ? "json" : "table"}));
        ASSERT_TRUE(watching.wait_until_it_watches());
        const std::uint64_t truth = call_with_a_stall(watching);
        EXPECT_EQ(watching.end(SIGINT), 0);
        const std::uint64_t lost = said(watching.err, lost_of_probe);
        if (json) {
            const auto summary = nlohmann::json::parse(watching.out, nullptr, false);
            ASSERT_TRUE(summary.is_object()) << watching.out;
            const Figures figures = of_sensor(summary["summary"]["sensors"], "probe");
            expect_truth(figures, truth, watching);
            EXPECT_EQ(figures.lost, lost);
        } else {
            EXPECT_GE(said(watching.out, "([0-9,]+) lost"), lost);
        }
        Watching replayed({"replay", recording_, "--output", "json"});
        EXPECT_LE(replayed.end(0), 1);
        const auto answer = nlohmann::json::parse(replayed.out, nullptr, false);
        ASSERT_TRUE(answer.is_object()) << replayed.err;
        const Figures figures = of_sensor(answer["coverage"]["sensors"], "probe");
        EXPECT_EQ(figures.lost, lost);
        EXPECT_EQ(figures.seen + figures.lost, truth);
    }
}

// Processes and threads made on this machine since it runs, by the kernel's own count.
std::uint64_t forks_of_the_kernel() { return said(content_of("/proc/stat"), "processes ([0-9]+)"); }

// Of the whole run, not of the last seconds, which its answers look at.
TEST_F(Coverage, of_the_live_mode_agrees_with_the_truth) {
    for (const bool json : {false, true}) {
        const std::uint64_t before = forks_of_the_kernel();
        Watching watching({"--for", "300s", "--output", json ? "json" : "table"});
        ASSERT_TRUE(watching.wait_until_it_watches());
        watching.stall([] {
            for (int i = 0; i < many_programs; ++i) {
                char program[] = "/bin/true";
                char* argv[] = {program, nullptr};
                pid_t child = 0;
                ASSERT_EQ(posix_spawn(&child, program, nullptr, nullptr, argv, environ), 0);
                ASSERT_EQ(waitpid(child, nullptr, 0), child);
            }
        });
        std::this_thread::sleep_for(6s);  // what was lost is older than the live mode's window
        EXPECT_LE(watching.end(SIGINT), 1);
        const std::uint64_t forks = forks_of_the_kernel() - before;
        Figures figures{said(watching.out, "([0-9,]+) rows seen, [0-9,]+ lost"),
                        said(watching.out, "([0-9,]+) lost\\.")};
        if (json) {
            const auto lines = lines_of(watching.out);
            const auto summary =
                std::ranges::find_if(lines, [](const auto& line) { return line.contains("summary"); });
            ASSERT_NE(summary, lines.end()) << watching.out;
            figures = of_sensor((*summary)["summary"]["sensors"], "process");
            std::uint64_t records = 0;
            for (const auto& line : lines)
                if (line.value("table", "") == "self" && line["sensor"] == "process")
                    records += line["count"].get<std::uint64_t>();
            EXPECT_EQ(records, figures.lost);
            // A start, a program and an end for each; those that ran already and ended; and, of others on this machine, programs
            // looked for in vain and signals.
            EXPECT_LE(figures.seen + figures.lost, 4 * forks + 300);
        }
        EXPECT_EQ(said(watching.err, "process: ([0-9,]+) ring full"), figures.lost) << watching.err;
        EXPECT_GT(figures.lost, 0u);
        EXPECT_GE(figures.seen + figures.lost, 3u * many_programs);
    }
}

}  // namespace
}  // namespace waggle
