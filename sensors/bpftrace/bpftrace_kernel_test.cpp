// SPDX-License-Identifier: Apache-2.0
// The installed bpftrace at work on scripts whose figures are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "sensors/bpftrace/bpftrace.h"

namespace waggle::sensors {
namespace {

using testing::HasSubstr;

class Script {
  public:
    explicit Script(std::string_view text) { std::ofstream(path_) << text; }
    ~Script() { std::filesystem::remove(path_); }
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;
    Result<std::unique_ptr<Running>> start() const {
        static Names names;
        StartOptions options;
        EXPECT_TRUE(options.values.set(*bpftrace_source.asked_by, path_));
        return bpftrace_source.start(options, names);
    }

  private:
    std::string path_ = testing::TempDir() + "waggle-script-" + std::to_string(::getpid()) + ".bt";
};

struct Entry {
    std::string map, key, text;
    std::int64_t value;
};

void take(Running& sensor, std::vector<Entry>& out) {
    sensor.drain([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor.read(record);
            ASSERT_TRUE(row) << row.error().message;
            out.push_back({std::string(row->text("map")), std::string(row->text("key")),
                           std::string(row->text("text")), static_cast<std::int64_t>(row->u64("value"))});
        }
    });
}

// Its rows until one has this text.
bool wait_for_line(Running& sensor, std::vector<Entry>& out, std::string_view text) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (std::chrono::steady_clock::now() < until && !sensor.ended()) {
        take(sensor, out);
        if (std::ranges::any_of(out, [&](const Entry& entry) { return entry.text == text; })) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

void fork_children(int count) {
    for (int i = 0; i < count; ++i) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        waitpid(child, nullptr, 0);
    }
}

TEST(BpftraceKernel, a_script_counts_a_known_workload_and_tells_at_its_end) {
    // A tracepoint too, which bpftrace alone finds only where tracefs is mounted.
    const Script script("tracepoint:sched:sched_process_fork /pid == " + std::to_string(getpid()) +
                        "/ { @forks[\"ours\"] = count(); @h = hist(100); }\n"
                        "interval:ms:100 { printf(\"at work\\n\"); }\n");
    const auto started = script.start();
    ASSERT_TRUE(started) << started.error().message;
    Running* sensor = started->get();
    std::vector<Entry> said;
    ASSERT_TRUE(wait_for_line(*sensor, said, "at work"));
    fork_children(25);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!sensor->finish() && std::chrono::steady_clock::now() < until) take(*sensor, said);
    EXPECT_TRUE(sensor->ended());
    EXPECT_TRUE(sensor->problems().empty()) << sensor->problems()[0];
    const auto forks = std::ranges::find(said, "@forks", &Entry::map);
    ASSERT_NE(forks, said.end());
    EXPECT_EQ(forks->key, "ours");
    EXPECT_EQ(forks->value, 25);
    const auto bucket = std::ranges::find(said, "@h", &Entry::map);
    ASSERT_NE(bucket, said.end());
    EXPECT_EQ(bucket->value, 25);
    for (const Loss& loss : sensor->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    ASSERT_EQ(sensor->hooks().size(), 1u);
    EXPECT_THAT(sensor->hooks()[0].hook, HasSubstr("2 probes of "));
}

TEST(BpftraceKernel, a_script_that_ends_itself_has_ended) {
    const Script script("BEGIN { printf(\"only this\\n\"); exit(); }\n");
    const auto started = script.start();
    ASSERT_TRUE(started) << started.error().message;
    Running* sensor = started->get();
    std::vector<Entry> said;
    EXPECT_TRUE(wait_for_line(*sensor, said, "only this"));
    while (!sensor->ended()) take(*sensor, said);
    EXPECT_THAT(sensor->hooks()[0].hook, HasSubstr("1 probe of ")) << "it ended well";
}

TEST(BpftraceKernel, a_wrong_script_is_refused_in_bpftraces_words) {
    const Script script("BEGIN { nosuch(); }\n");
    const auto started = script.start();
    ASSERT_FALSE(started);
    EXPECT_THAT(started.error().message, HasSubstr("nosuch"));
    EXPECT_THAT(started.error().message, HasSubstr("ERROR"));
}

}  // namespace
}  // namespace waggle::sensors
