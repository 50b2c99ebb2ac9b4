// SPDX-License-Identifier: Apache-2.0
#include "sensors/run_queue/scheduler_reader.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <string>

namespace waggle::sensors {
namespace {

constexpr std::uint64_t state_bits = 7;

std::uint64_t shared(const __u64& value) {
    return std::atomic_ref<__u64>(const_cast<__u64&>(value)).load(std::memory_order_acquire);
}

// What was added, and `before` becomes `now`. A figure that was read while it changed can be ahead of the next one by
// what was added then; it never goes back.
std::uint64_t added(std::uint64_t& before, std::uint64_t now) {
    const std::uint64_t more = now > before ? now - before : 0;
    before += more;
    return more;
}

// What was added to each slot.
void take_slots(const __u32 (&slots)[RUN_QUEUE_SLOTS], std::uint32_t (&seen)[RUN_QUEUE_SLOTS],
                __u32 (&added)[RUN_QUEUE_SLOTS]) {
    for (std::size_t slot = 0; slot < RUN_QUEUE_SLOTS; ++slot) {
        const std::uint32_t now =
            std::atomic_ref<__u32>(const_cast<__u32&>(slots[slot])).load(std::memory_order_relaxed);
        added[slot] = now - seen[slot];
        seen[slot] = now;
    }
}

// "0-3,8", as the kernel writes it.
std::string list_of_mask(std::uint64_t mask) {
    std::string list;
    for (int first = 0; first < 64; ++first) {
        if (!(mask >> first & 1)) continue;
        int last = first;
        while (last < 63 && mask >> (last + 1) & 1) ++last;
        list += fmt::format("{}{}", list.empty() ? "" : ",", first);
        if (last > first) list += fmt::format("-{}", last);
        first = last;
    }
    return list;
}

}  // namespace

SchedulerReader::SchedulerReader(std::span<run_queue_bucket> buckets,
                                 std::span<run_queue_processor> processors, const Machine& machine)
    : buckets_(buckets),
      processors_(processors),
      last_ns_(machine.began_ns),
      own_pid_(machine.own_pid),
      isolated_(processors.size()),
      seen_processors_(processors.size()),
      packer_(RUN_QUEUE_CPU,
              {WAGGLE_HISTOGRAM_PLACE(CpuValue, slots, row.wait_histogram, RUN_QUEUE_UNIT, RUN_QUEUE_END)}),
      slice_packer_(RUN_QUEUE_SLICE, {WAGGLE_HISTOGRAM_PLACE(SliceValue, slots, row.run_histogram,
                                                             RUN_QUEUE_UNIT, RUN_QUEUE_END)}),
      slices_(machine.slices) {
    for (const int cpu : machine.isolated)
        if (static_cast<std::size_t>(cpu) < isolated_.size()) isolated_[static_cast<std::size_t>(cpu)] = true;
}

void SchedulerReader::read(std::uint64_t now_ns, std::uint32_t epoch, const RecordSink& sink) {
    now_ns_ = now_ns;
    epoch_ = epoch;
    waiting_now_ns_.assign(processors_.size(), 0);
    waiting_.assign(processors_.size(), 0);
    known_processors_ = static_cast<std::uint32_t>(std::ranges::count_if(
        processors_, [](const run_queue_processor& one) { return shared(one.word) != 0; }));
    for (std::size_t at = 0; at < buckets_.size(); ++at)
        for (std::uint32_t way = 0; way < RUN_QUEUE_WAYS; ++way) {
            const std::uint32_t tid =
                std::atomic_ref<__u32>(buckets_[at].tid[way]).load(std::memory_order_acquire);
            if (tid == 0) continue;
            run_queue_thread& thread = buckets_[at].thread[way];
            const auto place = static_cast<std::uint32_t>(at * RUN_QUEUE_WAYS + way);
            if (shared(thread.born) == 0) continue;  // just being made
            // Asked first: what is counted until a thread ends is there when it has ended.
            const bool ended = std::atomic_ref<__u8>(thread.ended).load(std::memory_order_acquire) != 0;
            read_thread(tid, thread, seen_[place]);
            if (!ended) continue;
            seen_.erase(place);
            std::memset(&thread, 0, sizeof thread);
            std::atomic_ref<__u32>(buckets_[at].tid[way]).store(0, std::memory_order_release);
        }
    hand_out_processes(sink);
    hand_out_processors(sink);
    if (slices_) hand_out_slices(sink);
    last_ns_ = now_ns_;
}

void SchedulerReader::read_thread(std::uint32_t tid, const run_queue_thread& thread, Seen& seen) {
    run_queue_thread copy;
    std::uint64_t word = 0;
    // The sums and the word belong together when the word is the same before and after; 0 is between two states.
    for (int attempt = 0; attempt < 16; ++attempt) {
        word = shared(thread.word);
        std::memcpy(&copy, &thread, sizeof copy);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (word != 0 && shared(thread.word) == word) break;
    }
    if (seen.born != copy.born) seen = Seen{copy.born, {}};
    const std::uint64_t since = word & ~state_bits;
    const std::uint32_t state = word & state_bits;
    std::uint64_t longest = copy.longest_epoch[epoch_ & 1] == epoch_ ? copy.longest_ns[epoch_ & 1] : 0;
    // It left unseen (run_queue.bpf.c): another has its processor.
    const bool left = state == RUN_QUEUE_RUNS && copy.cpu < processors_.size() &&
                      shared(processors_[copy.cpu].switches) > 0 && processors_[copy.cpu].tid != tid;
    if (since != 0 && now_ns_ > since && !copy.ended && !left) copy.state_ns[state] += now_ns_ - since;
    if (since != 0 && state == RUN_QUEUE_WAITS) {
        longest = std::max(longest, now_ns_ > since ? now_ns_ - since : 0);
        if (copy.cpu < waiting_.size()) {
            const std::uint64_t queued = std::max(since, std::uint64_t{copy.moved_ns});
            waiting_[copy.cpu]++;
            waiting_now_ns_[copy.cpu] += now_ns_ > queued ? now_ns_ - queued : 0;
        }
    }
    Counters more;
    for (int each = 0; each < RUN_QUEUE_STATES; ++each)
        more.state_ns[each] = added(seen.counters.state_ns[each], copy.state_ns[each]);
    more.waits = added(seen.counters.waits, copy.waits);
    more.held = added(seen.counters.held, copy.held);
    more.voluntary = added(seen.counters.voluntary, copy.voluntary);
    more.involuntary = added(seen.counters.involuntary, copy.involuntary);
    more.migrations = added(seen.counters.migrations, copy.migrations);
    count(copy, more, longest);
    add_thread(tid, copy, more);
}

void SchedulerReader::count(const run_queue_thread& thread, const Counters& more, std::uint64_t longest_ns) {
    const ProcessKey key{thread.pid, thread.start_ns};
    Process& process = processes_[key];
    run_queue_total_event& row = process.row;
    const std::uint64_t active_ns =
        more.state_ns[RUN_QUEUE_RUNS] + more.state_ns[RUN_QUEUE_WAITS] + more.state_ns[RUN_QUEUE_HELD];
    process.told = true;
    row.threads++;
    row.run_ns += more.state_ns[RUN_QUEUE_RUNS];
    row.wait_ns += more.state_ns[RUN_QUEUE_WAITS];
    row.held_ns += more.state_ns[RUN_QUEUE_HELD];
    row.sleep_ns += more.state_ns[RUN_QUEUE_SLEEPS];
    row.io_ns += more.state_ns[RUN_QUEUE_IO];
    row.uninterruptible_ns += more.state_ns[RUN_QUEUE_UNINTERRUPTIBLE];
    row.stopped_ns += more.state_ns[RUN_QUEUE_STOPPED];
    row.unseen_ns += more.state_ns[RUN_QUEUE_UNKNOWN];
    row.waits += more.waits;
    row.held += more.held;
    row.voluntary += more.voluntary;
    row.involuntary += more.involuntary;
    row.migrations += more.migrations;
    row.longest_wait_ns = std::max(row.longest_wait_ns, __u64{longest_ns});
    if (row.threads == 1 || active_ns > process.busiest_ns) {
        process.busiest_ns = active_ns;
        row.nice = std::max(thread.nice, thread.group_nice);
        row.by_session = thread.by_session;
        row.policy = thread.policy;
    }
    row.kernel_thread = thread.kernel_thread;
    row.session_id = thread.session;
    row.cpu_group_id = thread.by_session ? 0 : thread.cpu_group_id;
    row.own = own_pid_ != 0 && thread.pid == own_pid_;
    row.header.pid = thread.pid;
    row.header.tid = thread.pid;
    row.header.start_ns = thread.start_ns;
    row.header.cgroup_id = thread.cgroup_id;
    std::memcpy(row.header.comm, thread.comm, sizeof row.header.comm);
}

void SchedulerReader::add_thread(std::uint32_t tid, const run_queue_thread& thread, const Counters& more) {
    const std::uint64_t run_ns = more.state_ns[RUN_QUEUE_RUNS], wait_ns = more.state_ns[RUN_QUEUE_WAITS];
    const std::uint64_t covers_ns = now_ns_ - last_ns_;
    const bool real_time = thread.policy == SCHED_FIFO || thread.policy == SCHED_RR;
    const bool bound = !thread.kernel_thread && thread.allowed_cpus < known_processors_;
    const bool told = real_time || bound ? run_ns + wait_ns >= covers_ns / 100 : wait_ns >= covers_ns / 20;
    if (!told || run_ns + wait_ns == 0) return;
    run_queue_thread_event& row = threads_.emplace_back();
    row.header.kind = RUN_QUEUE_THREAD;
    row.header.size = sizeof row;
    row.header.time_ns = now_ns_;
    row.header.pid = thread.pid;
    row.header.tid = tid;
    row.header.start_ns = thread.start_ns;
    row.header.cgroup_id = thread.cgroup_id;
    std::memcpy(row.header.comm, thread.comm, sizeof row.header.comm);
    std::memcpy(row.name, thread.name, sizeof row.name);
    row.covers_ns = covers_ns;
    row.run_ns = run_ns;
    row.waits = more.waits;
    row.wait_ns = wait_ns;
    row.cpu = thread.cpu;
    row.allowed_cpus = thread.allowed_cpus;
    row.policy = thread.policy;
    row.priority = real_time ? thread.priority : 0;
    row.nice = std::max(thread.nice, thread.group_nice);
    row.session_id = thread.session;
    row.stayed = more.migrations == 0;
    row.kernel_thread = thread.kernel_thread;
    // Of processors beyond the mask it is not known which they are.
    if (static_cast<std::uint32_t>(std::popcount(std::uint64_t{thread.allowed})) != thread.allowed_cpus)
        return;
    const std::string list = list_of_mask(thread.allowed);
    if (list.size() >= sizeof row.cpus) return;
    row.allowed = static_cast<__s64>(thread.allowed);
    list.copy(row.cpus, list.size());
}

void SchedulerReader::hand_out_processes(const RecordSink& sink) {
    std::vector<Bytes> records;
    std::vector<run_queue_total_event> rows;
    rows.reserve(processes_.size());
    for (auto at = processes_.begin(); at != processes_.end();) {
        Process& process = at->second;
        run_queue_total_event& row = process.row;
        // One that only slept says so with the next row it has.
        const bool acted = (row.run_ns | row.waits | row.wait_ns | row.held | row.held_ns | row.voluntary |
                            row.involuntary | row.migrations | row.io_ns | row.uninterruptible_ns) != 0;
        if (acted) {
            row.header.kind = RUN_QUEUE_TOTAL;
            row.header.size = sizeof row;
            row.header.time_ns = now_ns_;
            row.covers_ns = now_ns_ - last_ns_;
            rows.push_back(row);
        }
        if (!process.told) {
            at = processes_.erase(at);
            continue;
        }
        if (acted) row = {};
        row.threads = 0;
        row.longest_wait_ns = 0;
        process.busiest_ns = 0;
        process.told = false;
        ++at;
    }
    for (const run_queue_total_event& row : rows) records.push_back(bytes_of(row));
    for (const run_queue_thread_event& row : threads_) records.push_back(bytes_of(row));
    if (!records.empty()) sink(records);
    threads_.clear();
}

void SchedulerReader::hand_out_processors(const RecordSink& sink) {
    std::vector<CpuValue> values;
    values.reserve(processors_.size());
    for (std::uint32_t cpu = 0; cpu < processors_.size(); ++cpu) {
        const run_queue_processor& processor = processors_[cpu];
        SeenProcessor& seen = seen_processors_[cpu];
        std::uint64_t word = 0, busy = 0;
        for (int attempt = 0; attempt < 16; ++attempt) {
            word = shared(processor.word);
            busy = shared(processor.state_ns[2]);
            if (word != 0 && shared(processor.word) == word) break;
        }
        if (word == 0) continue;  // not there, or off
        const std::uint64_t since = word & ~state_bits;
        if ((word & state_bits) == 2 && now_ns_ > since) busy += now_ns_ - since;
        CpuValue& value = values.emplace_back();
        run_queue_cpu_event& row = value.row;
        row.header.kind = RUN_QUEUE_CPU;
        row.header.size = sizeof row;
        row.header.time_ns = now_ns_;
        row.cpu = cpu;
        row.waiting = waiting_[cpu];
        row.isolated = isolated_[cpu];
        row.covers_ns = now_ns_ - last_ns_;
        row.busy_ns = added(seen.busy_ns, std::min<std::uint64_t>(busy, seen.busy_ns + row.covers_ns));
        row.queue_ns = added(seen.queue_ns, shared(processor.queue_ns) + waiting_now_ns_[cpu]);
        row.waits = added(seen.waits, shared(processor.waits));
        row.switches = added(seen.switches, shared(processor.switches));
        take_slots(processor.slots, seen.slots, value.slots);
    }
    std::vector<Bytes> records;
    for (const CpuValue& value : values) records.push_back(bytes_of(value));
    if (!records.empty()) sink(packer_.pack(records));
}

void SchedulerReader::hand_out_slices(const RecordSink& sink) {
    std::vector<SliceValue> values;
    values.reserve(processors_.size());
    for (std::uint32_t cpu = 0; cpu < processors_.size(); ++cpu) {
        if (shared(processors_[cpu].word) == 0) continue;  // not there, or off
        SliceValue& value = values.emplace_back();
        value.row.header.kind = RUN_QUEUE_SLICE;
        value.row.header.size = sizeof value.row;
        value.row.header.time_ns = now_ns_;
        value.row.cpu = cpu;
        take_slots(processors_[cpu].slice_slots, seen_processors_[cpu].slice_slots, value.slots);
    }
    std::vector<Bytes> records;
    for (const SliceValue& value : values) records.push_back(bytes_of(value));
    if (!records.empty()) sink(slice_packer_.pack(records));
}

}  // namespace waggle::sensors
