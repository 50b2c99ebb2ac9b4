// SPDX-License-Identifier: Apache-2.0
// waggle_bench [Google Benchmark's flags], or waggle_bench --repeat=NAME --items=N for instruction counts.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string_view>

#include "bench.h"

int main(int argc, char** argv) {
    const std::string_view first = argc == 3 ? argv[1] : "", second = argc == 3 ? argv[2] : "";
    if (first.starts_with("--repeat=") && second.starts_with("--items="))
        return waggle::bench::repeat(first.substr(9), std::strtoull(second.data() + 8, nullptr, 10)) ? 0 : 1;
    waggle::bench::register_decode();
    waggle::bench::register_ring();
    waggle::bench::register_maps();
    waggle::bench::register_sql();
    waggle::bench::register_recording();
    waggle::bench::register_directory();
    waggle::bench::register_histograms();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
