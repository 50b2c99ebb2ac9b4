// SPDX-License-Identifier: Apache-2.0
#include "sensors/lock/lock.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sensors/lock/lock.event.h"

namespace waggle::sensors {
namespace {

template <class Event>
Event event_of(std::uint16_t kind) {
    Event event{};
    event.header.kind = kind;
    event.header.size = sizeof event;
    event.header.pid = 7;
    event.address = 0x55d0c0a21040;
    return event;
}

TEST(LockRows, reads_a_lock_and_who_lets_others_have_it) {
    auto lock = event_of<lock_event>(lock_kind_lock);
    lock.waits = 3;
    lock.wait_ns = 4'000'000;
    std::strcpy(lock.variable, "table_lock in shop");
    const auto row = lock_source.read({reinterpret_cast<const std::byte*>(&lock), sizeof lock});
    ASSERT_TRUE(row) << row.error().message;
    EXPECT_EQ(row->u64("address"), 0x55d0c0a21040u);
    EXPECT_EQ(row->u64("wait_ns"), 4'000'000u);
    EXPECT_EQ(row->text("variable"), "table_lock in shop");

    auto releaser = event_of<lock_releaser_event>(lock_kind_releaser);
    releaser.header.tid = 9;
    releaser.woken = 2;
    const auto other = lock_source.read({reinterpret_cast<const std::byte*>(&releaser), sizeof releaser});
    ASSERT_TRUE(other) << other.error().message;
    EXPECT_EQ(other->u64("tid"), 9u);
    EXPECT_EQ(other->u64("woken"), 2u);
}

TEST(LockRows, refuses_records_that_are_cut_off) {
    const auto lock = event_of<lock_event>(lock_kind_lock);
    EXPECT_FALSE(lock_source.read({reinterpret_cast<const std::byte*>(&lock), sizeof lock - 1}));
    const auto releaser = event_of<lock_releaser_event>(lock_kind_releaser);
    EXPECT_FALSE(lock_source.read({reinterpret_cast<const std::byte*>(&releaser), sizeof releaser - 1}));
}

}  // namespace
}  // namespace waggle::sensors
