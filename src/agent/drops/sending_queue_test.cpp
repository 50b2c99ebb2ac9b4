// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/sending_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle::agent {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using Why = DroppingQueue::Why;

Qdisc seen(const char* kind, const char* handle, const char* parent, std::int64_t drops) {
    return {kind, handle, parent, drops};
}
Qdisc nameless(const char* kind, const char* parent, std::int64_t drops) {
    return {kind, "0:", parent, drops};
}

TEST(SendingQueue, a_class_whose_queue_is_full_is_named_and_not_the_root_that_counts_it_too) {
    const auto found = dropping_queues(
        {seen("htb", "1:", "root", 1993), nameless("pfifo", "1:10", 0), nameless("pfifo", "1:20", 1993)},
        1990, "QDISC_DROP");
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].class_name, "1:20");
    EXPECT_EQ(found[0].class_kind, "htb");
    EXPECT_EQ(found[0].class_handle, "1:");
    EXPECT_EQ(found[0].kind, "pfifo");
    EXPECT_EQ(found[0].handle, "");
    EXPECT_EQ(found[0].counted, 1993);
    EXPECT_EQ(found[0].why, Why::full);
}

TEST(SendingQueue, the_queue_inside_a_tbf_is_the_tbf) {
    const auto found = dropping_queues({seen("tbf", "8001:", "root", 120), nameless("bfifo", "8001:1", 120)},
                                       120, "QDISC_DROP");
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, "tbf");
    EXPECT_EQ(found[0].handle, "8001:");
    EXPECT_EQ(found[0].class_name, "");
    EXPECT_EQ(found[0].why, Why::full);
}

TEST(SendingQueue,
     a_tbf_in_a_class_that_drops_what_its_own_queue_did_not_turns_away_what_is_larger_than_its_burst) {
    const auto found = dropping_queues({seen("htb", "1:", "root", 100), seen("tbf", "10:", "1:10", 100),
                                        nameless("bfifo", "10:1", 0), nameless("pfifo", "1:20", 0)},
                                       100, "QDISC_DROP");
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, "tbf");
    EXPECT_EQ(found[0].handle, "10:");
    EXPECT_EQ(found[0].class_name, "1:10");
    EXPECT_EQ(found[0].why, Why::oversized);
}

TEST(SendingQueue, what_a_tbf_did_is_not_told_where_its_own_queue_is_not_known) {
    const auto found = dropping_queues({seen("tbf", "8001:", "root", 120)}, 120, "QDISC_DROP");
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].why, Why::other);
}

TEST(SendingQueue, of_several_queues_that_dropped_each_has_its_own_figure) {
    const auto found = dropping_queues({seen("prio", "1:", "root", 100), seen("pfifo", "11:", "1:1", 38),
                                        seen("red", "12:", "1:2", 60), seen("pfifo", "13:", "1:3", 2)},
                                       100, "QDISC_DROP");
    ASSERT_THAT(found, SizeIs(2));
    EXPECT_EQ(found[0].handle, "12:");
    EXPECT_EQ(found[0].counted, 60);
    EXPECT_EQ(found[0].why, Why::other) << "red drops before it is full";
    EXPECT_EQ(found[1].handle, "11:");
    EXPECT_EQ(found[1].counted, 38);
    EXPECT_EQ(found[1].class_name, "1:1");
}

TEST(SendingQueue, what_the_root_dropped_itself_is_its_own) {
    const auto found =
        dropping_queues({seen("htb", "1:", "root", 90), nameless("pfifo", "1:10", 0)}, 90, "QDISC_DROP");
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].kind, "htb");
    EXPECT_EQ(found[0].why, Why::itself);
}

TEST(SendingQueue, the_queues_of_a_device_with_several_are_not_each_others) {
    // mq and what hangs under it have no handles of their own.
    const auto found = dropping_queues(
        {seen("mq", "0:", "root", 50), seen("fq_codel", "0:", "0:1", 0), seen("fq_codel", "0:", "0:2", 50)},
        50, "QDISC_OVERLIMIT");
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_EQ(found[0].parent, "0:2");
    EXPECT_EQ(found[0].why, Why::full);
}

TEST(SendingQueue, counters_that_do_not_fit_the_drops_name_nobody) {
    EXPECT_THAT(dropping_queues({seen("pfifo", "1:", "root", 40)}, 100, "QDISC_DROP"), IsEmpty());
    EXPECT_THAT(dropping_queues({seen("fq_codel", "1:", "root", 1000)}, 100, "QDISC_DROP"), IsEmpty())
        << "it dropped others for another reason";
    EXPECT_THAT(dropping_queues({}, 100, "QDISC_DROP"), IsEmpty());
}

}  // namespace
}  // namespace waggle::agent
