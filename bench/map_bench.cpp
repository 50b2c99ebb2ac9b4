// SPDX-License-Identifier: Apache-2.0
// The engine's inner loops beside plain libbpf doing the same: records of 64 bytes out of a full ring, and a
// walk over a hash of 100,000 entries in batches and one by one. Every record and entry is looked at, so that
// no loop is empty. Needs root.
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <linux/types.h>

#include <ctime>
#include <vector>

#include "bench.h"
#include "fill.skel.h"
#include "src/engine/events/fill.event.h"
#include "waggle/events.h"
#include "waggle/map.h"
#include "waggle/ring.h"

namespace waggle::bench {
namespace {

constexpr std::uint64_t records_a_fill = 14'000;  // of the 14,563 that fit
constexpr std::uint32_t entries = 100'000;

// Of this thread: a neighbour on the same core takes wall time, not this.
double cpu_seconds() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

struct Filler {
    Filler() : object(fill_bpf::open_and_load()) {}
    ~Filler() { fill_bpf::destroy(object); }
    Filler(const Filler&) = delete;
    Filler& operator=(const Filler&) = delete;

    bool fill() const {
        std::uint64_t arguments[1] = {records_a_fill};
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.ctx_in = arguments;
        options.ctx_size_in = sizeof arguments;
        return bpf_prog_test_run_opts(bpf_program__fd(object->progs.fill_ring), &options) == 0;
    }

    fill_bpf* object;
};

// Ours and plain libbpf's in turn, each round the other first: the figure is ours, and what libbpf made of
// the same work in the same run stands beside it.
template <class Ours, class Theirs>
void in_turn(benchmark::State& state, std::uint64_t items, Ours&& ours, Theirs&& theirs) {
    double spent = 0, libbpf = 0;
    bool ours_first = false;
    for (auto _ : state) {
        ours_first = !ours_first;
        double mine = 0, plain = 0;
        if (ours_first) mine = ours();
        plain = theirs();
        if (!ours_first) mine = ours();
        if (mine < 0 || plain < 0) return state.SkipWithError("items are missing");
        state.SetIterationTime(mine);
        spent += mine;
        libbpf += plain;
    }
    const double all = static_cast<double>(items) * static_cast<double>(state.iterations());
    state.SetItemsProcessed(static_cast<std::int64_t>(all));
    state.counters["libbpf"] = all / libbpf;
    state.counters["ratio"] = libbpf / spent;
}

template <class Work>
double cpu_seconds_of(Work&& work, std::uint64_t right) {
    const double begin = cpu_seconds();
    const std::uint64_t made = work();
    const double spent = cpu_seconds() - begin;
    return made == right ? spent : -1;
}

// What empties a ring that was filled before; the filling is not timed.
template <class Drain>
double emptying(const Filler& filler, Drain&& drain) {
    return filler.fill() ? cpu_seconds_of(drain, records_a_fill) : -1;
}

struct LibbpfRing {
    LibbpfRing() : ring(ring_buffer__new(bpf_map__fd(filler.object->maps.records), one, &sum, nullptr)) {}
    ~LibbpfRing() { ring_buffer__free(ring); }
    LibbpfRing(const LibbpfRing&) = delete;
    LibbpfRing& operator=(const LibbpfRing&) = delete;

    static int one(void* context, void* record, std::size_t) {
        *static_cast<std::uint64_t*>(context) += static_cast<const fill_event*>(record)->number;
        return 0;
    }
    double empty() {
        return emptying(filler, [this] { return static_cast<std::uint64_t>(ring_buffer__consume(ring)); });
    }

    std::uint64_t sum = 0;
    Filler filler;
    ring_buffer* ring;
};

void ring(benchmark::State& state) {
    const Filler filler;
    if (!filler.object) return state.SkipWithError("fill.bpf.o does not load");
    Result<Ring> ring = Ring::open(bpf_map__fd(filler.object->maps.records));
    if (!ring) return state.SkipWithError(ring.error().message.c_str());
    LibbpfRing plain;
    std::uint64_t sum = 0;
    const auto drain = [&] {
        return ring->drain([&sum](std::span<const Bytes> batch) {
            for (const Bytes record : batch) sum += load<fill_event>(record).number;
        });
    };
    in_turn(state, records_a_fill, [&] { return emptying(filler, drain); }, [&] { return plain.empty(); });
    benchmark::DoNotOptimize(sum);
}

void ring_events(benchmark::State& state) {
    const Filler filler;
    if (!filler.object) return state.SkipWithError("fill.bpf.o does not load");
    std::uint64_t sum = 0;
    EventsOptions options;
    options.flush_after_ns = static_cast<std::uint64_t>(state.range(0));
    options.checks.shortest = options.checks.longest = sizeof(fill_event);
    options.checks.pid = {offsetof(fill_event, pid), 4};
    options.checks.time = {offsetof(fill_event, time_ns), 8};
    Result<MapView> map = MapView::open(bpf_map__fd(filler.object->maps.records));
    if (!map) return state.SkipWithError(map.error().message.c_str());
    Result<Events> events = Events::open(*map, options, [&sum](std::span<const Bytes> batch) {
        for (const Bytes record : batch) sum += load<fill_event>(record).number;
        return batch.size();
    });
    if (!events) return state.SkipWithError(events.error().message.c_str());
    LibbpfRing plain;
    const auto drain = [&] {
        const std::uint64_t taken = events->poll();
        events->flush();
        return taken;
    };
    in_turn(state, records_a_fill, [&] { return emptying(filler, drain); }, [&] { return plain.empty(); });
    benchmark::DoNotOptimize(sum);
}

using Counts = Map<std::uint32_t, std::uint64_t>;
constexpr std::uint64_t sum_of_entries = std::uint64_t{entries} * (entries - 1) * 3 / 2;

Result<Counts> filled_hash() {
    const OwnedFd fd(bpf_map_create(BPF_MAP_TYPE_HASH, "walked", 4, 8, entries, nullptr));
    Result<Counts> map = Counts::open(fd.get());
    if (!map) return map;
    std::vector<std::uint32_t> keys(entries);
    std::vector<std::uint64_t> values(entries);
    for (std::uint32_t i = 0; i < entries; ++i) {
        keys[i] = i;
        values[i] = 2 * std::uint64_t{i};
    }
    if (auto wrote = map->write_many(keys, values); !wrote) return wrote.error();
    return map;
}

std::uint64_t libbpf_batch(int fd) {
    std::uint64_t sum = 0;
    std::vector<std::uint32_t> keys(4096);
    std::vector<std::uint64_t> values(4096);
    std::uint32_t position = 0;
    bool first = true;
    for (bool more = true; more;) {
        __u32 count = 4096;
        const int failed = bpf_map_lookup_batch(fd, first ? nullptr : &position, &position, keys.data(),
                                                values.data(), &count, nullptr);
        more = failed == 0;
        if (failed && errno != ENOENT) return 0;
        first = false;
        for (__u32 i = 0; i < count; ++i) sum += keys[i] + values[i];
    }
    return sum;
}

std::uint64_t libbpf_one_by_one(int fd) {
    std::uint64_t sum = 0, value = 0;
    std::uint32_t key = 0, next = 0;
    for (const void* from = nullptr; bpf_map_get_next_key(fd, from, &next) == 0; from = &key) {
        key = next;
        if (bpf_map_lookup_elem(fd, &key, &value) != 0) return 0;
        sum += key + value;
    }
    return sum;
}

void hash_batch(benchmark::State& state) {
    const Result<Counts> map = filled_hash();
    if (!map) return state.SkipWithError(map.error().message.c_str());
    const auto ours = [&] {
        std::uint64_t sum = 0;
        const auto walked = map->view().each_batch([&sum](const MapBatch& batch) {
            std::uint64_t part = 0;
            const Bytes keys(batch.keys, batch.count * 4), values(batch.values, batch.count * 8);
            for (std::size_t i = 0; i < batch.count; ++i)
                part += load<std::uint32_t>(keys, i * 4) + load<std::uint64_t>(values, i * 8);
            sum += part;
            return true;
        });
        return walked ? sum : 0;
    };
    in_turn(
        state, entries, [&] { return cpu_seconds_of(ours, sum_of_entries); },
        [&] { return cpu_seconds_of([&] { return libbpf_batch(map->view().fd()); }, sum_of_entries); });
}

void hash_one_by_one(benchmark::State& state) {
    const Result<Counts> map = filled_hash();
    if (!map) return state.SkipWithError(map.error().message.c_str());
    const auto ours = [&] {
        std::uint64_t sum = 0;
        const auto walked = map->view().each_one_by_one([&sum](Bytes key, Bytes value) {
            sum += load<std::uint32_t>(key) + load<std::uint64_t>(value);
            return true;
        });
        return walked ? sum : 0;
    };
    in_turn(
        state, entries, [&] { return cpu_seconds_of(ours, sum_of_entries); },
        [&] { return cpu_seconds_of([&] { return libbpf_one_by_one(map->view().fd()); }, sum_of_entries); });
}

}  // namespace

void register_maps() {
    const auto add = [](const char* name, void (*work)(benchmark::State&)) {
        return benchmark::RegisterBenchmark(name, work)->UseManualTime();
    };
    add("engine/ring", ring);
    add("engine/ring_checked", ring_events)->Arg(0);
    add("engine/ring_buffered", ring_events)->Arg(100'000'000);
    add("engine/hash_batch", hash_batch);
    add("engine/hash_one_by_one", hash_one_by_one);
}

}  // namespace waggle::bench
