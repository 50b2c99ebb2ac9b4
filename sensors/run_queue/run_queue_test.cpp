// SPDX-License-Identifier: Apache-2.0
// The two arrays, written as the kernel side would, to rows.
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "model/histogram.h"
#include "model/record_writer.h"
#include "sensors/run_queue/run_queue.h"
#include "sensors/run_queue/scheduler_reader.h"

namespace waggle::sensors {
namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t word(std::uint64_t since_ns, unsigned state) { return (since_ns & ~7ull) | state; }

class SchedulerReaderTest : public testing::Test {
  protected:
    SchedulerReaderTest() : buckets_(4), processors_(2) {}

    run_queue_thread& thread(std::uint32_t tid, std::uint32_t pid) {
        run_queue_bucket& bucket = buckets_[tid % 4];
        for (int way = 0; way < RUN_QUEUE_WAYS; ++way) {
            if (bucket.tid[way] != 0 && bucket.tid[way] != tid) continue;
            bucket.tid[way] = tid;
            run_queue_thread& thread = bucket.thread[way];
            thread.born = tid;
            thread.pid = pid;
            thread.start_ns = pid * 10;
            thread.allowed_cpus = 2;
            std::strcpy(thread.comm, "worker");
            return thread;
        }
        throw "a bucket is full";
    }
    void read(std::uint64_t now_ns) {
        totals_.clear();
        cpus_.clear();
        threads_.clear();
        reader_.read(now_ns, epoch_++, [&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = run_queue_source.read(record);
                ASSERT_TRUE(row) << row.error().message;
                if (row->schema().name == "run_queue_total")
                    totals_[static_cast<std::uint32_t>(row->u64("pid"))] = row->as<run_queue_total_event>();
                if (row->schema().name == "run_queue_cpu")
                    cpus_[static_cast<std::uint32_t>(row->u64("cpu"))] = row->as<run_queue_cpu_event>();
                if (row->schema().name == "run_queue_thread")
                    threads_[static_cast<std::uint32_t>(row->u64("tid"))] = row->as<run_queue_thread_event>();
            }
        });
    }

    std::vector<run_queue_bucket> buckets_;
    std::vector<run_queue_processor> processors_;
    SchedulerReader reader_{buckets_, processors_, {0, {1}, 7}};
    std::uint32_t epoch_ = 1;
    std::map<std::uint32_t, run_queue_total_event> totals_;
    std::map<std::uint32_t, run_queue_cpu_event> cpus_;
    std::map<std::uint32_t, run_queue_thread_event> threads_;
};

TEST_F(SchedulerReaderTest, a_thread_that_never_leaves_its_processor_runs_in_every_reading) {
    thread(5, 5).word = word(100 * ms, RUN_QUEUE_RUNS);
    processors_[1].word = word(100 * ms, 2);
    read(1000 * ms);
    EXPECT_EQ(totals_[5].run_ns, 900 * ms);
    EXPECT_EQ(cpus_[1].busy_ns, 900 * ms);
    EXPECT_FALSE(cpus_.contains(0)) << "nothing is known of it";
    read(2000 * ms);
    EXPECT_EQ(totals_[5].run_ns, 1000 * ms);
    EXPECT_EQ(cpus_[1].busy_ns, 1000 * ms);
    EXPECT_EQ(totals_[5].covers_ns, 1000 * ms);
}

TEST_F(SchedulerReaderTest, what_threads_of_one_process_did_is_added_up) {
    run_queue_thread& one = thread(5, 5);
    one.state_ns[RUN_QUEUE_RUNS] = 10 * ms;
    one.waits = 3;
    one.word = word(900 * ms, RUN_QUEUE_SLEEPS);
    run_queue_thread& other = thread(6, 5);
    other.state_ns[RUN_QUEUE_RUNS] = 30 * ms;
    other.waits = 4;
    other.nice = 5;
    other.word = word(800 * ms, RUN_QUEUE_WAITS);
    other.cpu = 1;
    processors_[1].word = word(0, 2) | 8;
    processors_[1].queue_ns = 7 * ms;
    read(1000 * ms);
    ASSERT_EQ(totals_.size(), 1u);
    EXPECT_EQ(totals_[5].threads, 2u);
    EXPECT_EQ(totals_[5].run_ns, 40 * ms);
    EXPECT_EQ(totals_[5].wait_ns, 200 * ms) << "one waits still";
    EXPECT_EQ(totals_[5].longest_wait_ns, 200 * ms);
    EXPECT_EQ(totals_[5].sleep_ns, 100 * ms);
    EXPECT_EQ(totals_[5].waits, 7u);
    EXPECT_EQ(totals_[5].nice, 5) << "of the busiest";
    EXPECT_EQ(cpus_[1].queue_ns, 207 * ms);
    EXPECT_EQ(cpus_[1].waiting, 1u);
}

TEST_F(SchedulerReaderTest, of_a_wait_that_was_moved_each_queue_has_its_part) {
    run_queue_thread& waits = thread(5, 5);
    waits.word = word(100 * ms, RUN_QUEUE_WAITS);
    waits.moved_ns = 400 * ms;
    waits.cpu = 1;
    processors_[0].word = processors_[1].word = word(8, 2);
    processors_[0].queue_ns = 300 * ms;
    read(1000 * ms);
    EXPECT_EQ(totals_[5].wait_ns, 900 * ms);
    EXPECT_EQ(cpus_[0].queue_ns, 300 * ms);
    EXPECT_EQ(cpus_[1].queue_ns, 600 * ms);
}

TEST_F(SchedulerReaderTest, a_thread_that_ended_is_counted_once_and_its_place_is_free) {
    run_queue_thread& gone = thread(5, 5);
    gone.state_ns[RUN_QUEUE_RUNS] = 10 * ms;
    gone.word = word(500 * ms, RUN_QUEUE_UNKNOWN);
    gone.ended = 1;
    read(1000 * ms);
    EXPECT_EQ(totals_[5].run_ns, 10 * ms);
    EXPECT_EQ(buckets_[1].tid[0], 0u);
    EXPECT_EQ(buckets_[1].thread[0].born, 0u);
    read(2000 * ms);
    EXPECT_TRUE(totals_.empty());
}

TEST_F(SchedulerReaderTest, a_process_that_only_sleeps_says_so_with_its_next_row) {
    run_queue_thread& sleeper = thread(5, 5);
    sleeper.word = word(8, RUN_QUEUE_SLEEPS);
    read(1000 * ms);
    EXPECT_TRUE(totals_.empty());
    sleeper.state_ns[RUN_QUEUE_SLEEPS] = 1500 * ms;
    sleeper.state_ns[RUN_QUEUE_RUNS] = 100 * ms;
    sleeper.word = word(1600 * ms, RUN_QUEUE_SLEEPS);
    read(2000 * ms);
    EXPECT_EQ(totals_[5].run_ns, 100 * ms);
    EXPECT_EQ(totals_[5].sleep_ns, 1900 * ms);
}

TEST_F(SchedulerReaderTest, a_number_that_names_another_thread_begins_at_nothing) {
    run_queue_thread& one = thread(5, 5);
    one.state_ns[RUN_QUEUE_RUNS] = 100 * ms;
    one.word = word(900 * ms, RUN_QUEUE_SLEEPS);
    read(1000 * ms);
    one.born = 77;
    one.pid = 6;
    one.start_ns = 60;
    one.state_ns[RUN_QUEUE_RUNS] = 150 * ms;
    read(2000 * ms);
    EXPECT_EQ(totals_[6].run_ns, 150 * ms);
    EXPECT_FALSE(totals_.contains(5));
}

TEST_F(SchedulerReaderTest, the_longest_wait_is_that_of_the_reading) {
    run_queue_thread& one = thread(5, 5);
    one.word = word(900 * ms, RUN_QUEUE_SLEEPS);
    one.waits = 1;
    one.longest_epoch[1] = 1;
    one.longest_ns[1] = 40 * ms;
    read(1000 * ms);
    EXPECT_EQ(totals_[5].longest_wait_ns, 40 * ms);
    one.waits = 2;
    one.longest_epoch[0] = 2;
    one.longest_ns[0] = 3 * ms;
    read(2000 * ms);
    EXPECT_EQ(totals_[5].longest_wait_ns, 3 * ms);
    one.waits = 3;
    read(3000 * ms);
    EXPECT_EQ(totals_[5].longest_wait_ns, 0u) << "what is left of an earlier reading says nothing";
}

TEST_F(SchedulerReaderTest, a_session_that_yields_makes_its_processes_yield) {
    run_queue_thread& one = thread(5, 5);
    one.word = word(900 * ms, RUN_QUEUE_RUNS);
    one.group_nice = 19;
    read(1000 * ms);
    EXPECT_EQ(totals_[5].nice, 19);
}

TEST_F(SchedulerReaderTest, a_thread_that_may_run_on_some_processors_alone_has_a_row) {
    processors_[0].word = processors_[1].word = word(8, 2);
    run_queue_thread& one = thread(5, 5);
    one.word = word(600 * ms, RUN_QUEUE_WAITS);
    one.allowed_cpus = 1;
    one.allowed = 2;
    one.cpu = 1;
    one.session = 4;
    run_queue_thread& kernel = thread(6, 6);
    kernel.word = word(600 * ms, RUN_QUEUE_RUNS);
    kernel.allowed_cpus = 1;
    kernel.kernel_thread = 1;
    thread(8, 8).word = word(900 * ms, RUN_QUEUE_RUNS);
    read(1000 * ms);
    ASSERT_EQ(threads_.size(), 1u) << "not the kernel's own, not who may run everywhere";
    EXPECT_EQ(threads_[5].cpu, 1u);
    EXPECT_EQ(threads_[5].wait_ns, 400 * ms);
    EXPECT_STREQ(threads_[5].cpus, "1");
    EXPECT_EQ(threads_[5].allowed, 2);
    EXPECT_EQ(threads_[5].session_id, 4u);
    EXPECT_EQ(threads_[5].stayed, 1u);
    one.migrations = 1;
    read(2000 * ms);
    EXPECT_EQ(threads_[5].stayed, 0u);
    EXPECT_EQ(threads_[5].wait_ns, 1000 * ms);
}

TEST_F(SchedulerReaderTest, a_list_of_processors_that_is_not_whole_is_not_told) {
    processors_.resize(100);
    SchedulerReader reader(buckets_, processors_, {});
    for (run_queue_processor& one : processors_) one.word = word(8, 2);
    run_queue_thread& some = thread(5, 5);
    some.word = word(8, RUN_QUEUE_RUNS);
    some.allowed = 0xf8000000000f000d;
    some.allowed_cpus = 12;
    run_queue_thread& beyond = thread(6, 6);
    beyond.word = word(8, RUN_QUEUE_RUNS);
    beyond.allowed = 3;
    beyond.allowed_cpus = 3;
    std::map<std::uint64_t, std::string> lists;
    reader.read(1000 * ms, 1, [&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = run_queue_source.read(record);
            ASSERT_TRUE(row) << row.error().message;
            if (row->schema().name == "run_queue_thread")
                lists[row->u64("tid")] = row->as<run_queue_thread_event>().cpus;
        }
    });
    EXPECT_EQ(lists[5], "0,2-3,16-19,59-63");
    EXPECT_EQ(lists[6], "");
}

TEST_F(SchedulerReaderTest, real_time_threads_and_who_waits_long_have_rows) {
    processors_[0].word = processors_[1].word = word(8, 2);
    run_queue_thread& fifo = thread(5, 5);
    fifo.policy = 1;
    fifo.priority = 50;
    fifo.word = word(980 * ms, RUN_QUEUE_RUNS);
    run_queue_thread& seldom = thread(6, 6);
    seldom.policy = 2;
    seldom.state_ns[RUN_QUEUE_RUNS] = 9 * ms;
    seldom.word = word(900 * ms, RUN_QUEUE_SLEEPS);
    run_queue_thread& waits = thread(8, 8);
    waits.state_ns[RUN_QUEUE_WAITS] = 50 * ms;
    waits.word = word(900 * ms, RUN_QUEUE_RUNS);
    run_queue_thread& less = thread(9, 9);
    less.state_ns[RUN_QUEUE_WAITS] = 49 * ms;
    less.word = word(900 * ms, RUN_QUEUE_RUNS);
    read(1000 * ms);
    ASSERT_EQ(threads_.size(), 2u);
    EXPECT_EQ(threads_[5].run_ns, 20 * ms);
    EXPECT_EQ(threads_[5].priority, 50u);
    EXPECT_EQ(threads_[8].wait_ns, 50 * ms);
}

TEST_F(SchedulerReaderTest, waggle_itself_and_isolated_processors_are_marked) {
    processors_[0].word = processors_[1].word = word(8, 2);
    thread(5, 5).word = word(100 * ms, RUN_QUEUE_RUNS);
    thread(7, 7).word = word(100 * ms, RUN_QUEUE_RUNS);
    read(1000 * ms);
    EXPECT_EQ(totals_[5].own, 0u);
    EXPECT_EQ(totals_[7].own, 1u);
    EXPECT_EQ(cpus_[0].isolated, 0u);
    EXPECT_EQ(cpus_[1].isolated, 1u);
}

TEST(RunQueue, refuses_a_truncated_event) {
    RecordWriter<run_queue_wait_event> record;
    EXPECT_FALSE(run_queue_source.read(record.finish().first(sizeof(run_queue_wait_event) - 1)));
}

}  // namespace
}  // namespace waggle::sensors
