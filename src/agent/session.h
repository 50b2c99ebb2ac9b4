// SPDX-License-Identifier: Apache-2.0
// Session: waggle live on this machine: sensors started, one poll loop, rows into the store, and answers.
//
// One thread drives it. Destruction leaves nothing in the kernel; so does kill -9, since nothing is pinned.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/recording.h"
#include "agent/store.h"
#include "base/clock.h"
#include "context/process_directory.h"
#include "explain/rules.h"
#include "model/sensor.h"
#include "waggle/owned_fd.h"

namespace waggle::agent {

struct SessionOptions {
    std::vector<std::string> sensors;  // by name; empty = all
    StartOptions start;
    std::size_t memory_bytes = 64u << 20;  // of all tables of rows together
    std::uint64_t sliding_window_ns = 0;   // 0: an answer looks at everything since the start
    std::vector<std::string> user_rules;   // directories; /etc/waggle/rules.d by default
};

// What the loop calls; every member may be empty.
struct Callbacks {
    std::function<void(std::span<const Row>)> rows;  // each batch, after it reached the tables
    std::function<void()> second;                    // about once a second, after the snapshots
    std::function<bool()> done;  // ends the loop when true; asked at least ten times a second
};

class Session {
  public:
    // Starts the sensors. One that cannot start is an error when it was asked for by name or when none can;
    // otherwise it is a problem of every answer.
    static Result<std::unique_ptr<Session>> start(const SessionOptions& options, const Clock& clock);
    ~Session();

    // Drives everything until `until_ns` (CLOCK_MONOTONIC), `stop`, callbacks.done or the end of a sensor
    // that ends by itself. Takes a last snapshot before it returns.
    void run(std::uint64_t until_ns, const std::atomic<bool>& stop, const Callbacks& callbacks);

    // The rules' answer for this moment; `topic` "" = all.
    explain::Answer answer(std::string_view topic);
    const explain::RuleBook& rules() const { return *rules_; }

    Store& store() { return *store_; }
    std::span<const std::unique_ptr<Sensor>> sensors() const { return sensors_; }
    std::uint64_t started_ns() const { return started_ns_; }
    std::vector<explain::SensorCoverage> coverage() const;
    // What an answer must say besides: sensors that did not start, facts that were not read whole. Sentences
    // without the full stop.
    std::vector<std::string> problems() const;
    explain::Window window() const;

    // Reads the growing counters that the topic's rules look at, so that the answer can say what was added
    // since, and who listens where, so that it can say who did.
    void read_baseline(std::string_view topic);
    // The same for the tables of one question.
    void read_baseline_of(std::span<const std::string> tables);

    // From now on rows are also written to `writer`, which outlives the session. The next answer() adds every
    // fact and the closing moment, and ends the recording: a replay gives that answer.
    void record_to(RecordingWriter* writer) { writer_ = writer; }

  private:
    Session(const Clock& clock, context::ProcessDirectory directory)
        : clock_(clock), directory_(std::move(directory)) {}
    struct Counts {
        std::uint64_t seen = 0;
        std::uint64_t unreadable = 0;
        std::uint64_t evicted = 0;
        std::vector<Loss> losses;
    };
    struct Mark {  // the counts at one time, to take differences from
        std::uint64_t time_ns;
        std::vector<Counts> counts;
    };
    Result<void> start_sensors(const SessionOptions& options);
    Result<void> load_rules(const SessionOptions& options);
    void take(std::size_t sensor, std::span<const Bytes> records, const Callbacks& callbacks);
    bool drain_all(const Callbacks& callbacks);
    void snapshot_all(const Callbacks& callbacks);
    void finish(const Callbacks& callbacks);
    void note_losses();
    Counts counts_of(std::size_t sensor) const;
    void mark();
    void wait(std::uint64_t until_ns);
    void look_around(std::uint64_t now_ns);
    void write_moment(const explain::Answer& answer, std::string_view topic,
                      std::span<const std::string> problems);

    const Clock& clock_;
    context::ProcessDirectory directory_;
    std::vector<std::unique_ptr<Sensor>> sensors_;
    std::vector<Counts> counts_;  // running: seen and unreadable
    std::vector<Counts> noted_;   // what the self sensor has said already
    std::deque<Mark> marks_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<explain::RuleBook> rules_;
    std::vector<std::string> problems_;
    std::vector<std::string> rule_texts_;  // owns user rules
    std::vector<Row> batch_;
    OwnedFd epoll_;
    RecordingWriter* writer_ = nullptr;
    std::uint64_t started_ns_ = 0;
    std::uint64_t started_realtime_ns_ = 0;
    std::uint64_t sliding_window_ns_ = 0;
    std::uint64_t next_snapshot_ns_ = 0;
    std::uint64_t next_look_ns_ = 0;
};

}  // namespace waggle::agent
