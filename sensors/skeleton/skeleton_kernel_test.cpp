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

}  // namespace
}  // namespace waggle::sensors
