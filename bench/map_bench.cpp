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
#include "src/kernel/fill.event.h"
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

// Fills the ring, then times what empties it.
template <class Drain>
void from_full_ring(benchmark::State& state, const Filler& filler, const std::uint64_t& sum, Drain&& drain) {
    std::uint64_t records = 0;
    for (auto _ : state) {
        if (!filler.fill()) return state.SkipWithError("the program did not run");
        const double begin = cpu_seconds();
        records += drain();
        state.SetIterationTime(cpu_seconds() - begin);
    }
    benchmark::DoNotOptimize(sum);
    if (records != state.iterations() * records_a_fill) state.SkipWithError("records were lost");
    state.SetItemsProcessed(static_cast<std::int64_t>(records));
}

void ring_waggle(benchmark::State& state) {
    const Filler filler;
    if (!filler.object) return state.SkipWithError("fill.bpf.o does not load");
    Result<Ring> ring = Ring::open(bpf_map__fd(filler.object->maps.records));
    if (!ring) return state.SkipWithError(ring.error().message.c_str());
    std::uint64_t sum = 0;
    from_full_ring(state, filler, sum, [&] {
        return ring->drain([&sum](std::span<const Bytes> batch) {
            for (const Bytes record : batch) sum += load<fill_event>(record).number;
        });
    });
}

void ring_waggle_events(benchmark::State& state) {
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
    from_full_ring(state, filler, sum, [&] {
        const std::uint64_t taken = events->poll();
        events->flush();
        return taken;
    });
}

void ring_libbpf(benchmark::State& state) {
    const Filler filler;
    if (!filler.object) return state.SkipWithError("fill.bpf.o does not load");
    std::uint64_t sum = 0;
    const auto one = [](void* context, void* record, std::size_t) {
        *static_cast<std::uint64_t*>(context) += static_cast<const fill_event*>(record)->number;
        return 0;
    };
    ring_buffer* ring = ring_buffer__new(bpf_map__fd(filler.object->maps.records), one, &sum, nullptr);
    if (!ring) return state.SkipWithError("libbpf opens no ring");
    from_full_ring(state, filler, sum,
                   [&] { return static_cast<std::uint64_t>(ring_buffer__consume(ring)); });
    ring_buffer__free(ring);
}

using Counts = Map<std::uint32_t, std::uint64_t>;

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

template <class Walk>
void over_hash(benchmark::State& state, Walk&& walk) {
    const Result<Counts> map = filled_hash();
    if (!map) return state.SkipWithError(map.error().message.c_str());
    constexpr std::uint64_t right = std::uint64_t{entries} * (entries - 1) * 3 / 2;
    for (auto _ : state) {
        const double begin = cpu_seconds();
        const std::uint64_t sum = walk(*map);
        state.SetIterationTime(cpu_seconds() - begin);
        if (sum != right) state.SkipWithError("entries are missing");
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * entries);
}

void hash_waggle_batch(benchmark::State& state) {
    over_hash(state, [](const Counts& map) {
        std::uint64_t sum = 0;
        const auto walked = map.each([&sum](std::uint32_t key, std::uint64_t value) { sum += key + value; });
        return walked ? sum : 0;
    });
}

void hash_waggle_one_by_one(benchmark::State& state) {
    over_hash(state, [](const Counts& map) {
        std::uint64_t sum = 0;
        const auto walked = map.view().each_one_by_one([&sum](Bytes key, Bytes value) {
            sum += load<std::uint32_t>(key) + load<std::uint64_t>(value);
            return true;
        });
        return walked ? sum : 0;
    });
}

void hash_libbpf_batch(benchmark::State& state) {
    over_hash(state, [](const Counts& map) {
        std::uint64_t sum = 0;
        std::vector<std::uint32_t> keys(4096);
        std::vector<std::uint64_t> values(4096);
        std::uint32_t position = 0;
        bool first = true;
        for (bool more = true; more;) {
            __u32 count = 4096;
            const int failed = bpf_map_lookup_batch(map.view().fd(), first ? nullptr : &position, &position,
                                                    keys.data(), values.data(), &count, nullptr);
            more = failed == 0;
            if (failed && errno != ENOENT) return std::uint64_t{0};
            first = false;
            for (__u32 i = 0; i < count; ++i) sum += keys[i] + values[i];
        }
        return sum;
    });
}

void hash_libbpf_one_by_one(benchmark::State& state) {
    over_hash(state, [](const Counts& map) {
        std::uint64_t sum = 0, value = 0;
        std::uint32_t key = 0, next = 0;
        for (const void* from = nullptr; bpf_map_get_next_key(map.view().fd(), from, &next) == 0;
             from = &key) {
            key = next;
            if (bpf_map_lookup_elem(map.view().fd(), &key, &value) != 0) return std::uint64_t{0};
            sum += key + value;
        }
        return sum;
    });
}

}  // namespace

void register_maps() {
    const auto add = [](const char* name, void (*work)(benchmark::State&)) {
        return benchmark::RegisterBenchmark(name, work)->UseManualTime();
    };
    add("engine/ring/waggle", ring_waggle);
    add("engine/ring/waggle_events_in_place", ring_waggle_events)->Arg(0);
    add("engine/ring/waggle_events_buffered", ring_waggle_events)->Arg(100'000'000);
    add("engine/ring/libbpf", ring_libbpf);
    add("engine/hash/waggle_batch", hash_waggle_batch);
    add("engine/hash/waggle_one_by_one", hash_waggle_one_by_one);
    add("engine/hash/libbpf_batch", hash_libbpf_batch);
    add("engine/hash/libbpf_one_by_one", hash_libbpf_one_by_one);
}

}  // namespace waggle::bench
