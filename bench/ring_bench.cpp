// SPDX-License-Identifier: Apache-2.0
// From a real BPF ring into a table. The kernel side is the room sensors/skeleton: a record of 72 bytes for
// each time a thread is renamed, and a rename is one short system call.
#include <benchmark/benchmark.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>

#include "bench.h"
#include "model/table.h"
#include "sensors/skeleton/skeleton.h"

namespace waggle::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Line {
    Names names;
    std::unique_ptr<Running> sensor;
    Table table{*sensors::skeleton_source.schemas[0], 4u << 20};

    Result<void> start(std::uint32_t ring_bytes) {
        StartOptions options;
        options.mode = Mode::events;
        options.filters = {{"pid", static_cast<std::uint32_t>(::getpid())}};
        options.ring_bytes = ring_bytes;
        auto started = sensors::skeleton_source.start(options, names);
        if (!started) return started.error();
        sensor = std::move(*started);
        return {};
    }
    std::uint64_t drain() {
        const std::uint64_t before = table.appended();
        sensor->drain([&](std::span<const Bytes> records) {
            for (const Bytes record : records)
                if (const Result<Row> row = sensor->read(record)) table.append(*row);
        });
        return table.appended() - before;
    }
    std::uint64_t lost() const {
        std::uint64_t sum = 0;
        for (const Loss& loss : sensor->losses()) sum += loss.count;
        return sum;
    }
};

void send(int count) {
    for (int i = 0; i < count; ++i) ::prctl(PR_SET_NAME, "renamed");
}

// Of this thread: a neighbour on the same core takes wall time, not this.
double cpu_seconds() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

// The reader alone: the ring is filled, then emptied into the table; only the emptying is timed.
void ring_to_table(benchmark::State& state) {
    Line line;
    if (const auto started = line.start(8u << 20); !started)
        return state.SkipWithError(started.error().message.c_str());
    std::uint64_t rows = 0;
    for (auto _ : state) {
        send(50'000);
        const double begin = cpu_seconds();
        rows += line.drain();
        state.SetIterationTime(cpu_seconds() - begin);
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(rows));
    state.counters["lost"] = static_cast<double>(line.lost());
}

// Sender and reader at once, the sender as fast as it can; the reader looks every 10 ms, as the agent does.
void ring_full_speed(benchmark::State& state) {
    Line line;
    if (const auto started = line.start(8u << 20); !started)
        return state.SkipWithError(started.error().message.c_str());
    std::atomic<std::uint64_t> sent{0};
    std::uint64_t rows = 0;
    for (auto _ : state) {
        std::atomic<bool> done{false};
        std::thread sender([&] {
            const auto begin = SteadyClock::now();
            while (SteadyClock::now() - begin < std::chrono::seconds(2)) {
                send(1'000);
                sent += 1'000;
            }
            done = true;
        });
        const auto begin = SteadyClock::now();
        while (!done) {
            rows += line.drain();
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        rows += line.drain();
        state.SetIterationTime(std::chrono::duration<double>(SteadyClock::now() - begin).count());
        sender.join();
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(rows));
    state.counters["sent"] = static_cast<double>(sent.load());
    state.counters["received"] = static_cast<double>(rows);
    state.counters["lost"] = static_cast<double>(line.lost());
}

}  // namespace

bool repeat_ring(std::size_t items) {
    Line line;
    if (!line.start(8u << 20)) return false;
    std::uint64_t rows = 0;
    for (std::size_t done = 0; done < items; done += 1000) {
        send(1000);
        rows += line.drain();
    }
    return rows >= items;
}

void register_ring() {
    benchmark::RegisterBenchmark("ring_to_table", ring_to_table)->UseManualTime();
    benchmark::RegisterBenchmark("ring_full_speed", ring_full_speed)->UseManualTime()->Iterations(1);
}

}  // namespace waggle::bench
