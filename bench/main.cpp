// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "bench.h"

int main(int argc, char** argv) {
    waggle::bench::register_decode();
    waggle::bench::register_ring();
    waggle::bench::register_sql();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
