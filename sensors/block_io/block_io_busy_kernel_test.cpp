// SPDX-License-Identifier: Apache-2.0
// How busy a disk is and how deep its queue, of known work on a loop device. The second truths are fio and the kernel's
// own statistics in /sys/block.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "base/text.h"
#include "model/columns.h"
#include "model/histogram.h"
#include "sensors/block_io/block_io.event.h"
#include "sensors/block_io/block_io.h"
#include "sensors/block_io/testing/block_io_fixture.h"

namespace waggle::sensors {
namespace {

class BlockIoBusyKernel : public BlockIoKernel {};

TEST_F(BlockIoBusyKernel, depth_is_what_fio_keeps_under_way) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    run("fio --name=t --filename=" + device_->path() +
        " --rw=randread --bs=64k --direct=1 --ioengine=libaio --iodepth=16 --runtime=2 --time_based"
        " --output-format=terse");
    const block_device_event row = device_row();
    const double depth = static_cast<double>(row.depth_ns) / static_cast<double>(row.busy_ns);
    EXPECT_LE(depth, 16.0);
    EXPECT_GT(depth,
              6.0);  // fio takes back what is ready before it asks again, so the mean is below its limit
    EXPECT_EQ(row.in_flight, 0u);
}

TEST_F(BlockIoBusyKernel, share_of_time_busy_and_depth_are_right_to_five_points) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    watched_ = stalling.disk().name();
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    const auto began = std::chrono::steady_clock::now();
    std::chrono::duration<double, std::milli> under_way{};
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(stalling.stall());
        const auto asked = std::chrono::steady_clock::now();
        std::vector<std::thread> writers;
        // Apart from each other: neighbours can become one request.
        for (int i = 0; i < 4; ++i) writers.emplace_back([&, i] { write_block("/dev/" + watched_, 16 * i); });
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        stalling.go_on();
        for (std::thread& writer : writers) writer.join();
        under_way += std::chrono::steady_clock::now() - asked;
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    const block_device_event row = device_row();
    const double elapsed_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
    // Not the kernel's own io_ticks: requests that start at once on several CPUs make it count the idle time
    // before them, up to minutes. Starting the writers is in this time too, and takes longer where the CPU is
    // emulated.
    const double true_share = under_way.count() / elapsed_ms;
    const double share = static_cast<double>(row.busy_ns) / static_cast<double>(row.covers_ns);
    EXPECT_LT(share, true_share + 0.05);
    EXPECT_GT(share, true_share - (std::getenv("WAGGLE_VM") ? 0.15 : 0.05));
    EXPECT_GT(share, 0.4);
    EXPECT_LT(share, 0.75);
    EXPECT_NEAR(static_cast<double>(row.depth_ns) / static_cast<double>(row.busy_ns), 4.0, 0.4);
    EXPECT_EQ(row.requests, 12u);
    EXPECT_EQ(row.write_bytes, 12 * block);
}

TEST_F(BlockIoBusyKernel, one_long_request_keeps_the_device_busy_in_every_snapshot) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    watched_ = stalling.disk().name();
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    ASSERT_TRUE(stalling.stall());
    std::thread writer([&] { write_block("/dev/" + watched_, 0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    device_row();
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const block_device_event row = device_row();
        EXPECT_EQ(row.in_flight, 1u);
        EXPECT_EQ(row.busy_ns, row.covers_ns);
        EXPECT_EQ(row.depth_ns, row.covers_ns);
        EXPECT_GE(row.covers_ns, 200'000'000u);
    }
    stalling.go_on();
    writer.join();
    EXPECT_EQ(device_row().in_flight, 0u);
}

TEST_F(BlockIoBusyKernel, a_disk_that_stood_still_before_the_start_is_busy_until_it_answers) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    watched_ = stalling.disk().name();
    ASSERT_TRUE(stalling.stall());
    std::thread writer([&] { write_block("/dev/" + watched_, 0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        const block_device_event row = device_row();
        EXPECT_EQ(row.in_flight, 1u);
        EXPECT_EQ(row.busy_ns, row.covers_ns);
        EXPECT_EQ(row.depth_ns, row.covers_ns);
        EXPECT_EQ(row.requests, 0u);
    }
    stalling.go_on();
    writer.join();
    device_row();
    write_block("/dev/" + watched_, 1);
    const block_device_event row = device_row();
    EXPECT_EQ(row.in_flight, 0u);
    EXPECT_EQ(row.requests, 1u);
    EXPECT_LT(row.busy_ns, row.covers_ns);
}

TEST_F(BlockIoBusyKernel, requests_under_way_at_the_start_are_not_taken_for_negative_depth) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::execlp("fio", "fio", "--name=t", ("--filename=" + device_->path()).c_str(), "--rw=randread",
                 "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=32", "--runtime=3", "--time_based",
                 "--output=/dev/null", nullptr);
        ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    int status = 0;
    std::uint64_t depth_ns = 0,
                  covers_ns = 0;  // a reading that had to wait for a processor ends in the next row
    for (bool ended = false; !ended; ended = ::waitpid(child, &status, WNOHANG) == child) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const block_device_event row = device_row();
        EXPECT_LE(row.in_flight, 33u);
        EXPECT_LE(row.busy_ns, row.covers_ns);
        depth_ns += row.depth_ns;
        covers_ns += row.covers_ns;
    }
    EXPECT_LE(depth_ns, 33 * covers_ns);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(device_row().in_flight, 0u);
}

}  // namespace
}  // namespace waggle::sensors
