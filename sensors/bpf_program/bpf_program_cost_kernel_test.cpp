// SPDX-License-Identifier: Apache-2.0
// What a program costs, against what its victim pays. On a real processor only: the clocks of an emulated one do not agree.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "sensors/bpf_program/testing/programs.h"

namespace waggle::sensors {
namespace {

TEST(BpfProgramCostKernel, the_time_of_a_run_is_what_its_victim_pays) {
    const auto running = started();
    ASSERT_TRUE(running);
    totals_of(*running, 0);
    const int times = 5'000;
    call_often(times);
    // The busy machine only adds: the least of some is nearest the truth.
    std::uint64_t without = UINT64_MAX, with = UINT64_MAX;
    for (int round = 0; round < 5; ++round) without = std::min(without, call_often(times));
    OtherProcess other([] { return looping(30'000); });
    ASSERT_NE(other.id(), 0u);
    totals_of(*running, other.id());
    double told_ns = 1e18;
    for (int round = 0; round < 5; ++round) {
        with = std::min(with, call_often(times));
        const Told told = totals_of(*running, other.id());
        ASSERT_GE(told.runs, static_cast<std::uint64_t>(times));
        // Others' system calls run it too, without its loop: they are short.
        told_ns = std::min(told_ns, static_cast<double>(told.run_time_ns - told.measuring_ns) / times);
    }
    const double truth_ns = static_cast<double>(with - without) / times;
    RecordProperty("told_ns", static_cast<int>(told_ns));
    RecordProperty("truth_ns", static_cast<int>(truth_ns));
    std::printf("told %.0f ns a run, its victim pays %.0f ns\n", told_ns, truth_ns);
    EXPECT_NEAR(told_ns, truth_ns, truth_ns * 0.1);
}

}  // namespace
}  // namespace waggle::sensors
