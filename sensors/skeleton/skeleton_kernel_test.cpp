// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sensors/skeleton/skeleton.h"

namespace waggle::sensors {
namespace {

TEST(SkeletonKernel, a_hundred_renames_give_a_hundred_rows) {
    Names names;
    StartOptions options;
    options.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
    const auto started = skeleton_source.start(options, names);
    ASSERT_TRUE(started) << started.error().message;
    Running* sensor = started->get();
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
    by_pid.filters = {{"pid", std::uint32_t{1}}};
    by_comm.filters = {{"comm", "another name"}};
    by_cgroup.filters = {{"cgroup_id", std::uint64_t{UINT64_MAX}}};
    for (StartOptions options : {by_pid, by_comm, by_cgroup}) {
        options.ring_bytes = 4096;
        Names names;
        const auto started = skeleton_source.start(options, names);
        ASSERT_TRUE(started) << started.error().message;
        Running* sensor = started->get();
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
    StartOptions options;
    options.filters = {{"comm", "only this one"}};
    const auto started = skeleton_source.start(options, names);
    ASSERT_TRUE(started) << started.error().message;
    Running* sensor = started->get();
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

TEST(SkeletonKernel, its_option_is_heard_and_its_total_says_how_things_stand) {
    Names names;
    StartOptions options;
    options.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
    ASSERT_EQ(skeleton_source.options.size(), 1u);
    ASSERT_TRUE(options.values.set(skeleton_source.options[0], "7"));
    const auto started = skeleton_source.start(options, names);
    ASSERT_TRUE(started) << started.error().message;
    for (int i = 0; i < 10; ++i)
        for (const char* name : {"short", "renamed", "renamed again"}) ASSERT_EQ(prctl(PR_SET_NAME, name), 0);
    std::vector<std::uint64_t> totals;
    (*started)->state([&](const Schema& schema, std::span<const Bytes> records) {
        EXPECT_TRUE(schema.is_state);
        for (const Bytes record : records) {
            const Result<Row> row = (*started)->read(record);
            ASSERT_TRUE(row) << row.error().message;
            totals.push_back(row->u64("renamed"));
        }
    });
    EXPECT_EQ(totals, std::vector<std::uint64_t>{20}) << "seven letters and more";
}

}  // namespace
}  // namespace waggle::sensors
