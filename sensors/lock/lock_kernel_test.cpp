// SPDX-License-Identifier: Apache-2.0
// Programs of the test's own that wait for locks and say how long: each thread measures the time that its calls took.
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "sensors/lock/lock.h"

namespace waggle::sensors {

pthread_mutex_t guarded_by_test = PTHREAD_MUTEX_INITIALIZER;

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

struct Lock {
    std::uint64_t waits = 0;
    std::uint64_t wait_ns = 0;
    std::uint64_t woken = 0;
    std::uint64_t woken_by_waiters = 0;
    std::uint64_t waiting = 0;
    std::string variable;
};

class LockKernel : public testing::Test {
  protected:
    void SetUp() override {
        StartOptions options;
        options.filters = {{"pid", static_cast<std::uint32_t>(getpid())}};
        auto started = lock_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }
    void TearDown() override {
        for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    }

    void take() {
        sensor_->snapshot([&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                EXPECT_EQ(row->u64("pid"), static_cast<std::uint64_t>(getpid()));
                const std::uint64_t address = row->u64("address");
                if (row->schema().name == "lock_releaser") {
                    releasers_[address][row->u64("tid")] += row->u64("woken");
                    held_[address] += row->u64("held");
                    held_ns_[address] += row->u64("held_ns");
                    continue;
                }
                Lock& lock = locks_[address];
                lock.waits += row->u64("waits");
                lock.wait_ns += row->u64("wait_ns");
                lock.woken += row->u64("woken");
                lock.woken_by_waiters += row->u64("woken_by_waiters");
                lock.waiting = row->u64("waiting");
                lock.variable = row->text("variable");
            }
        });
    }
    const Lock& at(const void* address) { return locks_[reinterpret_cast<std::uint64_t>(address)]; }

    Names names_;
    std::unique_ptr<Running> sensor_;
    std::map<std::uint64_t, Lock> locks_;
    std::map<std::uint64_t, std::map<std::uint64_t, std::uint64_t>> releasers_;
    std::map<std::uint64_t, std::uint64_t> held_, held_ns_;
};

// Five threads sleep 2 ms each with the lock; what their calls took is what is told, but for the time from being woken
// to being there.
TEST_F(LockKernel, the_time_that_is_waited_is_what_the_threads_measure) {
    std::atomic<std::int64_t> measured{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 5; ++i)
        threads.emplace_back([&] {
            for (int turn = 0; turn < 100; ++turn) {
                const auto before = steady_clock::now();
                pthread_mutex_lock(&guarded_by_test);
                measured += nanoseconds(steady_clock::now() - before).count();
                std::this_thread::sleep_for(milliseconds(2));
                pthread_mutex_unlock(&guarded_by_test);
                // Who was woken gets it; without a pause it would be taken again before.
                std::this_thread::sleep_for(milliseconds(1));
            }
        });
    std::this_thread::sleep_for(milliseconds(500));
    take();
    EXPECT_GE(at(&guarded_by_test).waiting, 1u);
    EXPECT_TRUE(at(&guarded_by_test).variable ==
                std::string("waggle::sensors::guarded_by_test in ") + program_invocation_short_name)
        << at(&guarded_by_test).variable;
    for (std::thread& thread : threads) thread.join();
    take();
    const Lock& lock = at(&guarded_by_test);
    EXPECT_NEAR(static_cast<double>(lock.wait_ns), static_cast<double>(measured),
                0.1 * static_cast<double>(measured));
    EXPECT_EQ(lock.waiting, 0u);
    EXPECT_EQ(lock.woken, lock.waits);
    EXPECT_GE(lock.woken_by_waiters * 2, lock.woken);
    std::uint64_t woken = 0;
    for (const auto& [tid, times] : releasers_[reinterpret_cast<std::uint64_t>(&guarded_by_test)])
        woken += times;
    EXPECT_EQ(woken, lock.woken);
    // 2 ms and more each time; those that did not wait before, or whom nobody waited for, are not in it.
    const auto address = reinterpret_cast<std::uint64_t>(&guarded_by_test);
    EXPECT_GE(held_[address], 10u);
    EXPECT_GE(held_ns_[address], held_[address] * 2'000'000);
    EXPECT_LE(held_ns_[address], 2'000'000'000u);
}

// The lock is had for as long as it is watched: a wait that does not end is counted as it goes.
TEST_F(LockKernel, a_wait_that_goes_on_is_counted_up_to_now) {
    std::mutex mutex;
    mutex.lock();
    std::thread waits([&] { std::lock_guard own(mutex); });
    std::this_thread::sleep_for(milliseconds(300));
    take();
    EXPECT_EQ(at(&mutex).waits, 0u);
    EXPECT_EQ(at(&mutex).waiting, 1u);
    const std::uint64_t first = at(&mutex).wait_ns;
    EXPECT_GE(first, 200'000'000u);
    std::this_thread::sleep_for(milliseconds(300));
    take();
    EXPECT_GE(at(&mutex).wait_ns, first + 250'000'000u);
    mutex.unlock();
    waits.join();
    take();
    EXPECT_EQ(at(&mutex).waits, 1u);
    EXPECT_EQ(at(&mutex).waiting, 0u);
    EXPECT_LT(at(&mutex).wait_ns, first + 5'000'000'000u);
}

// An owner is known to the kernel there: whoever waits is given the lock by name.
TEST_F(LockKernel, locks_that_hand_on_priority_are_seen_as_well) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    ASSERT_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
    pthread_mutex_t mutex;
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutex_lock(&mutex);
    std::thread waits([&] {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    });
    std::this_thread::sleep_for(milliseconds(300));
    pthread_mutex_unlock(&mutex);
    waits.join();
    take();
    EXPECT_EQ(at(&mutex).waits, 1u);
    EXPECT_EQ(at(&mutex).woken, 1u);
    EXPECT_GE(at(&mutex).wait_ns, 200'000'000u);
    pthread_mutex_destroy(&mutex);
    pthread_mutexattr_destroy(&attributes);
}

TEST_F(LockKernel, whoever_waits_for_work_waits_for_no_lock) {
    std::mutex mutex;
    std::condition_variable condition;
    int work = 0;
    bool over = false;
    std::vector<std::thread> pool;
    for (int i = 0; i < 4; ++i)
        pool.emplace_back([&] {
            std::unique_lock own(mutex);
            while (!over) {
                condition.wait(own, [&] { return work > 0 || over; });
                if (work > 0) --work;
            }
        });
    std::atomic<int> number{7};
    std::thread waits_for_number([&] { number.wait(7); });
    for (int i = 0; i < 100; ++i) {
        {
            std::lock_guard own(mutex);
            ++work;
        }
        condition.notify_one();
        std::this_thread::sleep_for(milliseconds(2));
    }
    number = 8;
    number.notify_all();
    {
        std::lock_guard own(mutex);
        over = true;
    }
    condition.notify_all();
    for (std::thread& thread : pool) thread.join();
    waits_for_number.join();
    take();
    std::uint64_t waited = 0;
    for (const auto& [address, lock] : locks_) waited += lock.wait_ns;
    EXPECT_LT(waited, 20'000'000u) << "five threads slept 200 ms each";
}

// Whoever writes 2 by itself and waits for another number looks like it; that those that wake it never wait there tells
// them apart.
TEST_F(LockKernel, who_wakes_without_ever_waiting_is_no_other_user_of_the_lock) {
    std::atomic<int> number{2};
    std::atomic<bool> over{false};
    std::thread waits([&] {
        while (!over)
            ::syscall(SYS_futex, reinterpret_cast<int*>(&number), FUTEX_WAIT_PRIVATE, 2, nullptr, nullptr, 0);
    });
    for (int i = 0; i < 50; ++i) {
        std::this_thread::sleep_for(milliseconds(4));
        over = i == 49;
        ::syscall(SYS_futex, reinterpret_cast<int*>(&number), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    }
    number = 3;
    ::syscall(SYS_futex, reinterpret_cast<int*>(&number), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
    waits.join();
    take();
    EXPECT_GE(at(&number).woken, 40u);
    EXPECT_EQ(at(&number).woken_by_waiters, 0u);
}

}  // namespace
}  // namespace waggle::sensors
