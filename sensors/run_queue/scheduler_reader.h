// SPDX-License-Identifier: Apache-2.0
// SchedulerReader: makes rows of the two arrays in which the kernel side counts: what was added since the last reading,
// for each process and each processor. What still goes on (a thread that runs for an hour) is counted up to now.
//
// The arrays are shared with the kernel side and outlive the reader. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "model/histogram.h"
#include "sensors/run_queue/run_queue.event.h"
#include "waggle/coverage.h"

namespace waggle::sensors {

class SchedulerReader {
  public:
    // What is read once: when the watching began, which processors get no thread of themselves (isolcpus), waggle's pid, and
    // whether the times on a processor are counted.
    struct Machine {
        std::uint64_t began_ns = 0;
        std::vector<int> isolated;
        std::uint32_t own_pid = 0;
        bool slices = false;
    };
    SchedulerReader(std::span<run_queue_bucket> buckets, std::span<run_queue_processor> processors,
                    const Machine& machine);

    // `epoch` is the one that has just ended. Frees the entries of threads that have.
    void read(std::uint64_t now_ns, std::uint32_t epoch, const RecordSink& sink);

  private:
    // The growing figures of a thread.
    struct Counters {
        std::uint64_t state_ns[RUN_QUEUE_STATES] = {};
        std::uint64_t waits = 0, held = 0, voluntary = 0, involuntary = 0, migrations = 0;
    };
    struct Seen {
        std::uint64_t born = 0;
        Counters counters;
    };
    struct Process {
        run_queue_total_event row{};
        std::uint64_t busiest_ns = 0;  // of its threads in this reading
        bool told = false;             // in this reading
    };
    struct SeenProcessor {
        std::uint64_t busy_ns = 0, queue_ns = 0, waits = 0, switches = 0;
        std::uint32_t slots[RUN_QUEUE_SLOTS] = {};
        std::uint32_t slice_slots[RUN_QUEUE_SLOTS] = {};
    };
    struct CpuValue {
        run_queue_cpu_event row;
        __u32 slots[RUN_QUEUE_SLOTS];
        __u32 reserved;
    };
    struct SliceValue {
        run_queue_slice_event row;
        __u32 slots[RUN_QUEUE_SLOTS];
        __u32 reserved;
    };
    using ProcessKey = std::pair<std::uint32_t, std::uint64_t>;

    void read_thread(std::uint32_t tid, const run_queue_thread& thread, Seen& seen);
    void count(const run_queue_thread& thread, const Counters& added, std::uint64_t longest_ns);
    void add_thread(std::uint32_t tid, const run_queue_thread& thread, const Counters& added);
    void hand_out_processes(const RecordSink& sink);
    void hand_out_processors(const RecordSink& sink);
    void hand_out_slices(const RecordSink& sink);

    std::span<run_queue_bucket> buckets_;
    std::span<run_queue_processor> processors_;
    std::uint64_t now_ns_ = 0, last_ns_ = 0;
    std::uint32_t epoch_ = 0, own_pid_ = 0, known_processors_ = 0;
    std::vector<bool> isolated_;                    // by processor
    std::unordered_map<std::uint32_t, Seen> seen_;  // by the place in the table
    std::map<ProcessKey, Process> processes_;
    std::vector<run_queue_thread_event> threads_;
    std::vector<SeenProcessor> seen_processors_;
    std::vector<std::uint64_t> waiting_now_ns_;  // by processor: of waits that go on, in its queue
    std::vector<std::uint32_t> waiting_;
    HistogramPacker packer_;
    HistogramPacker slice_packer_;
    bool slices_;
};

}  // namespace waggle::sensors
