// SPDX-License-Identifier: Apache-2.0
// Snapshot over a map of the test's own, which is written as a kernel program would.
#include "sensing/snapshot.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "bpf/event.h"
#include "waggle/owned_fd.h"

namespace waggle::kernel {
namespace {

struct Total {
    waggle_event header;
    __u64 count;
    __u64 bytes;
    __u32 slots[6];
};

class SnapshotTest : public testing::Test {
  protected:
    void SetUp() override {
        map_ =
            OwnedFd(bpf_map_create(BPF_MAP_TYPE_HASH, "totals", sizeof(__u32), sizeof(Total), 512, nullptr));
        ASSERT_TRUE(map_) << std::strerror(errno);
    }
    Snapshot snapshot(std::vector<Snapshot::Counter> counters = {{offsetof(Total, count), 2},
                                                                 {offsetof(Total, slots), 6, 4}},
                      Snapshot::Options options = {}) {
        auto made = Snapshot::open(map_.get(), std::move(counters), std::move(options));
        EXPECT_TRUE(made) << made.error().message;
        return std::move(*made);
    }
    void write(__u32 key, const Total& total) {
        EXPECT_EQ(bpf_map_update_elem(map_.get(), &key, &total, BPF_ANY), 0);
    }
    static std::vector<Total> read(Snapshot& snapshot) {
        std::vector<Total> out;
        snapshot.read([&](std::span<const Bytes> records) {
            for (const Bytes record : records) out.push_back(load<Total>(record));
        });
        return out;
    }

    OwnedFd map_;
};

TEST_F(SnapshotTest, counters_of_both_sizes_are_what_was_added) {
    Snapshot totals = snapshot();
    write(1, {{}, 10, 1000, {1, 2, 0, 0, 0, 7}});
    std::vector<Total> rows = read(totals);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].count, 10u);
    EXPECT_THAT(rows[0].slots, testing::ElementsAre(1, 2, 0, 0, 0, 7));
    EXPECT_TRUE(read(totals).empty());
    write(1, {{}, 13, 1500, {1, 4, 0, 0, 0, 8}});
    rows = read(totals);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].count, 3u);
    EXPECT_EQ(rows[0].bytes, 500u);
    EXPECT_THAT(rows[0].slots, testing::ElementsAre(0, 2, 0, 0, 0, 1));
}

TEST_F(SnapshotTest, a_slot_that_wraps_round_gives_what_was_added) {
    Snapshot totals = snapshot();
    write(1, {{}, 4'294'967'290, 0, {4'294'967'290, 5, 0, 0, 0, 0}});
    read(totals);
    write(1, {{}, 4'294'967'310, 0, {14, 5, 0, 0, 0, 0}});
    const std::vector<Total> rows = read(totals);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].count, 20u);
    EXPECT_THAT(rows[0].slots, testing::ElementsAre(20, 0, 0, 0, 0, 0));
}

TEST_F(SnapshotTest, an_entry_that_was_made_anew_counts_from_nothing) {
    Snapshot totals = snapshot();
    write(1, {{}, 100, 1000, {40, 60, 0, 0, 0, 0}});
    read(totals);
    write(1, {{}, 70, 2000, {20, 50, 0, 0, 0, 0}});  // bytes are more than before, and all of them new
    const std::vector<Total> rows = read(totals);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].count, 70u);
    EXPECT_EQ(rows[0].bytes, 2000u);
    EXPECT_THAT(rows[0].slots, testing::ElementsAre(20, 50, 0, 0, 0, 0));
}

TEST_F(SnapshotTest, every_entry_comes_once_however_many_there_are) {
    Snapshot totals = snapshot();
    for (__u32 key = 0; key < 500; ++key) write(key, {{}, key + 1, 0, {key, 0, 0, 0, 0, 1}});
    std::uint64_t sum = 0;
    const std::vector<Total> rows = read(totals);
    for (const Total& row : rows) sum += row.count;
    EXPECT_EQ(rows.size(), 500u);
    EXPECT_EQ(sum, 500u * 501 / 2);
    EXPECT_TRUE(read(totals).empty());
}

TEST_F(SnapshotTest, what_stood_still_is_forgotten_and_counts_again_from_nothing) {
    Snapshot::Options options;
    options.forget_after = 2;
    Snapshot totals =
        snapshot({{offsetof(Total, count), 2}, {offsetof(Total, slots), 6, 4}}, std::move(options));
    write(1, {{}, 5, 0, {5, 0, 0, 0, 0, 0}});
    EXPECT_EQ(read(totals).size(), 1u);
    read(totals);
    read(totals);
    const __u32 key = 1;
    Total gone;
    EXPECT_NE(bpf_map_lookup_elem(map_.get(), &key, &gone), 0);
    write(1, {{}, 6, 0, {6, 0, 0, 0, 0, 0}});
    const std::vector<Total> rows = read(totals);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].count, 6u);
    EXPECT_EQ(rows[0].slots[0], 6u);
}

TEST_F(SnapshotTest, a_counter_outside_the_record_or_of_another_size_is_refused) {
    for (const Snapshot::Counter& counter : {Snapshot::Counter{offsetof(Total, slots), 7, 4},
                                             {offsetof(Total, count) + 4, 1},
                                             {offsetof(Total, slots), 6, 2},
                                             {offsetof(Total, slots), 6, 8}})
        EXPECT_FALSE(Snapshot::open(map_.get(), {counter}, {}));
}

}  // namespace
}  // namespace waggle::kernel
