// SPDX-License-Identifier: Apache-2.0
#include "sensors/kernel_lock/kernel_lock.h"

#include <gtest/gtest.h>

#include "model/record_writer.h"
#include "sensing/open_waits.h"
#include "sensors/kernel_lock/kernel_lock.event.h"

namespace waggle::sensors {
namespace {

TEST(KernelLockRows, reads_who_waited_for_which_lock) {
    RecordWriter<kernel_lock_event> event;
    event.fixed.header.pid = 7;
    event.fixed.address = event.fixed.lock = 0xffff888104a21040;
    event.fixed.type = kernel_lock_mutex;
    event.fixed.waits = 3;
    event.fixed.wait_ns = 4'000'000;
    event.fixed.given_up = 1;
    const auto row = kernel_lock_source.read(event.finish());
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->u64("pid"), 7u);
    EXPECT_EQ(row->u64("address"), 0xffff888104a21040u);
    EXPECT_EQ(row->u64("type"), 32u);
    EXPECT_EQ(row->u64("wait_ns"), 4'000'000u);
    EXPECT_EQ(row->u64("given_up"), 1u);
}

TEST(KernelLockRows, refuses_records_that_are_cut_off) {
    RecordWriter<kernel_lock_event> event;
    const Bytes whole = event.finish();
    EXPECT_FALSE(kernel_lock_source.read(whole.first(whole.size() - 1)));
}

TEST(OpenWaits, a_sum_grows_while_a_wait_goes_on_and_counts_it_once) {
    OpenWaits<int> waits;
    waits.begin();
    waits.add(1, 100);
    waits.add(1, 40);
    auto whole = waits.complete(1, 0, 0);
    EXPECT_EQ(whole.waiting, 2u);
    EXPECT_EQ(whole.longest_ns, 100u);
    EXPECT_EQ(whole.wait_ns, 140u);
    EXPECT_EQ(whole.added_ns, 140u);
    waits.end();

    waits.begin();  // the longer one has ended, after 150
    waits.add(1, 90);
    whole = waits.complete(1, 1, 150);
    EXPECT_EQ(whole.wait_ns, 240u);
    EXPECT_EQ(whole.added_ns, 100u);
    waits.end();
}

TEST(OpenWaits, who_ends_while_it_is_read_is_not_counted_twice_for_ever) {
    OpenWaits<int> waits;
    waits.begin();
    waits.add(1, 100);  // ends right after, and is in the sum of those that ended
    EXPECT_EQ(waits.complete(1, 1, 105).wait_ns, 205u);
    waits.end();
    waits.begin();
    EXPECT_EQ(waits.complete(1, 2, 200).added_ns, 0u) << "a sum never takes a step back";
    waits.end();
    waits.begin();
    EXPECT_EQ(waits.complete(1, 3, 300).wait_ns, 300u);
    waits.end();
    waits.begin();
    EXPECT_EQ(waits.complete(1, 1, 7).wait_ns, 7u) << "one that was made anew";
}

}  // namespace
}  // namespace waggle::sensors
