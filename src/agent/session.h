// SPDX-License-Identifier: Apache-2.0
// Session: waggle live on this machine: sensors started, one poll loop, rows into the store, and answers.
//
// While it runs there are two threads. The reader drains the rings and fills the tables, and nothing holds it
// up. The asker, which is the thread that called run(), asks the rules and queries over the rows of its
// moment. All members are for the asker. Destruction leaves nothing in the kernel; so does kill -9, since
// nothing is pinned.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/rule_book.h"
#include "agent/watched_command.h"
#include "base/clock.h"
#include "context/process_directory.h"
#include "explain/rules.h"
#include "model/source.h"
#include "recording/recording.h"
#include "store/store.h"
#include "waggle/owned_fd.h"

namespace waggle::agent {

struct SessionOptions {
    // By name; empty: all but those that run on request. One whose option was given runs besides these.
    std::vector<std::string> sensors;
    // What the answer will be about, "" for everything; not set where nobody asks (the live mode). Sources that run only
    // for a topic run for it.
    std::optional<std::string> topic;
    // Those of them, and of those that an option asks for, that run besides, by name.
    std::vector<std::string> besides;
    StartOptions start;
    std::size_t memory_bytes = 64u << 20;  // of all tables of rows together
    std::uint64_t sliding_window_ns = 0;   // 0: an answer looks at everything since the start
    std::string user_folder;               // /etc/waggle: the user's rules, views, lists, limits, words
    std::string language = "en";           // of the words
    bool facts_only = false;               // nothing is watched: the facts and the empty tables can be asked
};

// How much of a recording is kept: of the newest rows at most so many bytes, or at least those of so long. The file is
// changed for a new one now and then, and each is a recording of its own.
struct RecordingKeep {
    static constexpr unsigned parts = 8;
    std::uint64_t bytes = 0;  // 0: no bound
    std::uint64_t ns = 0;     // 0: no bound
};

// What a running session calls; every member may be empty.
struct Callbacks {
    // By the reader: each batch, after it reached the tables. What it does delays the draining.
    std::function<void(std::span<const Row>)> rows;
    // By the asker: about once a second, after the snapshots; late or left out where the one before took
    // longer.
    std::function<void()> second;
    // By the asker: ends the run when true; asked at least ten times a second, but for the time `second`
    // takes.
    std::function<bool()> done;
};

class Session {
  public:
    // A source that was started.
    struct Started {
        const Source* source;
        std::unique_ptr<Running> running;
    };

    // Starts the sources, and the caller's own besides them. One that cannot start is an error when it was
    // asked for, by name or by its option, or when none can; otherwise it is a problem of every answer.
    static Result<std::unique_ptr<Session>> start(const SessionOptions& options, const Clock& clock,
                                                  std::span<const Source* const> own = {});

    // Starts the sources of a session that was started with `facts_only`: what it had loaded stays. The session begins
    // now. Not for sources that an option asks for, whose tables rules may name.
    Result<void> watch(const SessionOptions& options);

    // Reads until `until_ns` (CLOCK_MONOTONIC), `stop`, callbacks.done or the end of a source that ends by
    // itself. Takes a last snapshot before it returns.
    void run(std::uint64_t until_ns, const std::atomic<bool>& stop, const Callbacks& callbacks);

    // The rules' answer for this moment; `topic` "" = all.
    explain::Answer answer(std::string_view topic);
    const explain::RuleBook& rules() const { return *rules_; }

    Store& store() { return *store_; }
    std::span<const Started> sources() const { return sources_; }
    std::uint64_t started_ns() const { return started_ns_; }
    // As of the last snapshot; after run() of all that came. Of the window, and since the start.
    std::vector<explain::SensorCoverage> coverage() const;
    std::vector<explain::SensorCoverage> whole_coverage() const;
    // What an answer must say besides: sensors that did not start, facts that were not read whole. Sentences
    // without the full stop.
    std::vector<std::string> problems() const;
    explain::Window window() const;

    // Reads the growing counters that the topic's rules look at, so that the answer can say what was added
    // since, and who listens where, so that it can say who did.
    void read_baseline(std::string_view topic);
    // The same for the tables of one question.
    void read_baseline_of(std::span<const std::string> tables);

    // What became of the command that was watched, and what it waits for where it still runs; the answer tells of it.
    void tell_of(WatchedCommand command);

    // From now on rows are also written to `writer`, which outlives the session; the facts at once, and again
    // while run() goes on; all of it into the file once a second. The next answer() adds every fact and the
    // closing moment about its topic, and ends the recording: a replay gives that answer. `topic` is what an
    // interrupted recording is about.
    void record_to(RecordingWriter* writer, std::string_view topic, RecordingKeep keep = {});
    // The recording could not be written on.
    bool recording_failed();

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
        std::uint64_t time_ns = 0;
        std::vector<Counts> counts;
    };
    // What the reader tells the asker, once a second.
    struct Told {
        Mark begin;  // of the session
        Mark first;  // just before the window's beginning
        Mark last;
        std::vector<std::string> problems;  // of the sources
        std::uint64_t snapshots = 0;
        bool reading = false;
    };
    Result<void> add_fixed_tables();
    void begin();
    Result<void> start_sources(const SessionOptions& options, std::span<const Source* const> own);
    Result<void> start_source(const Source& source, const SessionOptions& options);
    void load_rules(const SessionOptions& options);
    void take(std::size_t source, std::span<const Bytes> records, const Callbacks& callbacks);
    void take_all_state();
    void take_state(std::size_t source, const Schema& schema, std::span<const Bytes> records);
    bool drain_all(const Callbacks& callbacks);
    void snapshot_all(const Callbacks& callbacks);
    void read_until(std::uint64_t until_ns, const std::function<bool()>& stop, const Callbacks& callbacks);
    void finish(const Callbacks& callbacks);
    void note_losses(std::span<const Counts> counts);
    Counts counts_of(std::size_t source) const;
    std::vector<Counts> all_counts() const;
    void mark(std::vector<Counts> counts);
    std::vector<explain::SensorCoverage> coverage_between(const Mark& then, const Mark& now) const;
    void wait(std::uint64_t until_ns);
    void look_around(std::uint64_t now_ns);
    void keep_recording();
    void change_part();
    void end_part();
    void write_moment(RecordingWriter& writer, RecordingWriter::Moment kind, const explain::Answer& answer,
                      std::string_view topic, std::span<const std::string> problems);
    explain::Answer of_part(const explain::Answer& answer);
    explain::Window window_between(std::uint64_t from_ns, std::uint64_t to_ns) const;

    const Clock& clock_;
    context::ProcessDirectory directory_;
    std::vector<Started> sources_;

    // The reader's own.
    std::vector<Counts> counts_;  // running: seen and unreadable
    std::vector<Counts> noted_;   // what the self sensor has said already
    std::deque<Mark> marks_;
    std::vector<Row> batch_;
    OwnedFd epoll_;
    std::uint64_t next_snapshot_ns_ = 0;

    // Of both.
    mutable std::mutex mutex_;  // guards told_
    std::condition_variable told_more_;
    Told told_;
    mutable std::mutex writing_;  // guards what follows
    RecordingWriter* writer_ = nullptr;
    RecordingKeep keep_;
    Mark part_begin_;                           // of the file that is written now
    std::unique_ptr<RecordingWriter> retired_;  // the part before, which still lacks its end
    Mark retired_begin_;
    std::string part_problem_;

    // The asker's own.
    std::unique_ptr<Store> store_;
    std::unique_ptr<explain::RuleBook> rules_;
    std::vector<std::string> problems_;
    std::vector<explain::OwnedRuleFile> user_rules_;
    std::uint64_t started_ns_ = 0;
    std::uint64_t started_realtime_ns_ = 0;
    std::uint64_t sliding_window_ns_ = 0;
    std::uint64_t next_look_ns_ = 0;
    std::uint64_t next_keep_ns_ = 0;
    std::string recorded_topic_;
};

}  // namespace waggle::agent
