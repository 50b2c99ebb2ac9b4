// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sensors/skeleton/skeleton.h"

namespace waggle::sensors {
namespace {

TEST(SkeletonKernel, a_hundred_renames_give_a_hundred_rows) {
    Names names;
    const auto sensor = make_skeleton();
    StartOptions options;
    options.only_pid = static_cast<std::uint32_t>(getpid());
    const auto started = sensor->start(options, names);
    ASSERT_TRUE(started) << started.error().message;
    for (int i = 0; i < 100; ++i) ASSERT_EQ(prctl(PR_SET_NAME, "renamed"), 0);
    int rows = 0;
    sensor->drain([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor->read(record);
            ASSERT_TRUE(row) << row.error().message;
            rows += row->text("new_comm") == "renamed" ? 1 : 0;
        }
    });
    EXPECT_EQ(rows, 100);
}

// The ring holds fewer than the hundred renames that each of these filters refuses.
TEST(SkeletonKernel, what_nobody_asked_for_neither_crosses_the_ring_nor_counts_as_lost) {
    StartOptions by_pid, by_comm, by_cgroup;
    by_pid.only_pid = 1;
    by_comm.only_comm = "another name";
    by_cgroup.only_cgroup_id = UINT64_MAX;
    for (StartOptions options : {by_pid, by_comm, by_cgroup}) {
        options.ring_bytes = 4096;
        Names names;
        const auto sensor = make_skeleton();
        const auto started = sensor->start(options, names);
        ASSERT_TRUE(started) << started.error().message;
        for (int i = 0; i < 100; ++i) ASSERT_EQ(prctl(PR_SET_NAME, "renamed"), 0);
        std::size_t records = 0;
        sensor->drain([&](std::span<const Bytes> batch) { records += batch.size(); });
        EXPECT_EQ(records, 0u);
        for (const Loss& loss : sensor->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    }
}

TEST(SkeletonKernel, a_filter_by_name_lets_that_name_pass) {
    ASSERT_EQ(prctl(PR_SET_NAME, "only this one"), 0);
    Names names;
    const auto sensor = make_skeleton();
    StartOptions options;
    options.only_comm = "only this one";
    const auto started = sensor->start(options, names);
    ASSERT_TRUE(started) << started.error().message;
    ASSERT_EQ(prctl(PR_SET_NAME, "renamed"), 0);
    ASSERT_EQ(prctl(PR_SET_NAME, "again"), 0);
    std::vector<std::string> taken;
    sensor->drain([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor->read(record);
            ASSERT_TRUE(row) << row.error().message;
            taken.emplace_back(row->text("new_comm"));
        }
    });
    EXPECT_EQ(taken, std::vector<std::string>{"renamed"});
}

}  // namespace
}  // namespace waggle::sensors
