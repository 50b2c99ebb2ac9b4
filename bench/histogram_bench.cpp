// SPDX-License-Identifier: Apache-2.0
// What it costs to count a value in the kernel, in nanoseconds: by powers of two as before, in 16 steps an
// octave as now, and in the two ways that were not taken. All in turn in one round, less what the same loop
// costs that counts nothing. Values are latencies as of a disk behind a cache. Needs root.
#include <benchmark/benchmark.h>
#include <bpf/bpf.h>
#include <linux/types.h>

#include <array>
#include <cmath>
#include <ctime>
#include <random>

#include "bench.h"
#include "bpf/histogram.h"
#include "histogram.event.h"
#include "histogram.skel.h"

namespace waggle::bench {
namespace {

constexpr std::uint64_t counts_a_run = 2'000'000;

// Of this thread: a neighbour on the same core takes wall time, not this.
double cpu_seconds() {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double seconds_of(const bpf_program* program) {
    std::uint64_t arguments[1] = {counts_a_run};
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.ctx_in = arguments;
    options.ctx_size_in = sizeof arguments;
    const double begin = cpu_seconds();
    const int failed = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
    return failed ? -1 : cpu_seconds() - begin;
}

void counts(benchmark::State& state) {
    histogram_bpf* object = histogram_bpf::open_and_load();
    if (!object) return state.SkipWithError("histogram.bpf.o does not load");
    std::mt19937_64 random(3);
    std::lognormal_distribution<double> hit(std::log(20e3), 0.5), miss(std::log(4e6), 0.8);
    for (__u64& value : object->bss->values)
        value = static_cast<__u64>(random() % 10 < 7 ? hit(random) : miss(random));
    object->bss->record_mask = static_cast<__u32>(state.range(0) - 1);
    struct Way {
        const char* name;
        const bpf_program* program;
        double seconds = 0;
    };
    std::array ways = {Way{"nothing", object->progs.run_nothing}, Way{"log2", object->progs.run_log2},
                       Way{"fine", object->progs.run_fine}, Way{"fine_u64", object->progs.run_fine_u64},
                       Way{"octaves", object->progs.run_octaves}};
    std::size_t first = 0;
    for (auto _ : state) {
        ++first;
        double spent = 0;
        for (std::size_t i = 0; i < ways.size(); ++i) {
            Way& way = ways[(first + i) % ways.size()];
            const double seconds = seconds_of(way.program);
            if (seconds < 0) return state.SkipWithError("the program does not run");
            way.seconds += seconds;  // a sum: the clock of a thread can be as coarse as a tick
            spent += seconds;
        }
        state.SetIterationTime(spent);
    }
    const double all = static_cast<double>(counts_a_run) * static_cast<double>(state.iterations());
    for (const Way& way : ways)
        if (&way != ways.data()) state.counters[way.name] = (way.seconds - ways[0].seconds) * 1e9 / all;
    histogram_bpf::destroy(object);
}

}  // namespace

void register_histograms() {
    benchmark::RegisterBenchmark("histogram", counts)->Arg(1)->Arg(BENCH_RECORDS)->UseManualTime();
}

}  // namespace waggle::bench
