// SPDX-License-Identifier: Apache-2.0
// From a program's ring buffer and perf buffer to the sink: in order, checked, bounded, every loss counted.
// The program is run by hand, so each test knows what it sent.
#include "waggle/events.h"

#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/types.h>
#include <sched.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "fill.event.h"
#include "fill.skel.h"
#include "waggle/perf_buffer.h"
#include "waggle/ring.h"

namespace waggle {
namespace {

std::uint64_t lost_by(const Events& events, std::string_view cause) {
    for (const Loss& loss : events.losses())
        if (loss.cause == cause) return loss.count;
    return 0;
}

// libbpf's __u64 and the standard's are two types of one size.
const volatile std::uint64_t* counter(const __u64& global) {
    return reinterpret_cast<const volatile std::uint64_t*>(&global);
}

class EventsKernel : public testing::Test {
  protected:
    void SetUp() override {
        // The perf buffer of one CPU gets everything, and in order.
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(0, &one);
        ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
        object_ = fill_bpf::open_and_load();
        ASSERT_NE(object_, nullptr);
    }
    void TearDown() override { fill_bpf::destroy(object_); }

    static void run(bpf_program* program, std::uint64_t count) {
        std::uint64_t arguments[1] = {count};
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.ctx_in = arguments;
        options.ctx_size_in = sizeof arguments;
        ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0) << std::strerror(errno);
    }
    void send(std::uint64_t count) { run(object_->progs.fill_ring, count); }
    void send_samples(std::uint64_t count) {
        for (; count > 0; count -= std::min<std::uint64_t>(count, 64))
            run(object_->progs.fill_samples, std::min<std::uint64_t>(count, 64));
    }
    MapView map(bpf_map* which) {
        Result<MapView> view = MapView::open(bpf_map__fd(which));
        EXPECT_TRUE(view) << view.error().message;
        return std::move(*view);
    }
    static RecordChecks checks() {
        RecordChecks out;
        out.shortest = sizeof(fill_event);
        out.time = {offsetof(fill_event, time_ns), 8};
        out.pid = {offsetof(fill_event, pid), 4};
        out.type = {offsetof(fill_event, type), 4};
        out.types = {{FILL_NUMBERED, sizeof(fill_event), sizeof(fill_event) + 8}};
        return out;
    }
    // Takes all, and checks that the numbers are the next ones.
    EventSink in_order() {
        return [this](std::span<const Bytes> records) {
            for (const Bytes record : records) EXPECT_EQ(load<fill_event>(record).number, ++last_);
            largest_ = std::max(largest_, records.size());
            return records.size();
        };
    }

    fill_bpf* object_ = nullptr;
    std::uint64_t last_ = 0;
    std::size_t largest_ = 0;
};

TEST_F(EventsKernel, records_wait_for_a_batch_and_then_come_in_order) {
    EventsOptions options;
    options.flush_records = 10;
    options.flush_after_ns = 3'600'000'000'000;
    options.checks = checks();
    auto events = Events::open(map(object_->maps.records), options, in_order());
    ASSERT_TRUE(events) << events.error().message;
    send(9);
    EXPECT_EQ(events->poll(), 9u);
    EXPECT_EQ(last_, 0u);
    EXPECT_EQ(events->counts().waiting, 9u);
    send(1);
    EXPECT_EQ(events->poll(), 1u);
    EXPECT_EQ(last_, 10u);
    EXPECT_EQ(events->counts().flushes_by_size, 1u);
    EXPECT_EQ(events->counts().waiting, 0u);
    EXPECT_TRUE(events->losses().empty());
}

TEST_F(EventsKernel, records_that_waited_long_enough_come_without_a_full_batch) {
    EventsOptions options;
    options.flush_records = 1000;
    options.flush_after_ns = 5'000'000;
    auto events = Events::open(map(object_->maps.records), options, in_order());
    ASSERT_TRUE(events);
    EXPECT_EQ(events->wait_ns(), UINT64_MAX);
    send(1);
    events->poll();
    EXPECT_LE(events->wait_ns(), 5'000'000u);
    ::usleep(6'000);
    EXPECT_EQ(events->wait_ns(), 0u);
    events->poll();
    EXPECT_EQ(last_, 1u);
    EXPECT_EQ(events->counts().flushes_by_time, 1u);
}

TEST_F(EventsKernel, a_kernel_buffer_that_is_half_full_is_flushed_at_once) {
    EventsOptions options;
    options.flush_records = 1'000'000;
    options.flush_bytes = 64u << 20;
    options.buffer_bytes = 64u << 20;
    options.flush_after_ns = 3'600'000'000'000;
    auto events = Events::open(map(object_->maps.records), options, in_order());
    ASSERT_TRUE(events);
    send(1000);  // of 14,563 that fit
    events->poll();
    EXPECT_EQ(last_, 0u);
    send(8000);
    events->poll();
    EXPECT_EQ(last_, 9000u);
    EXPECT_EQ(events->counts().flushes_by_pressure, 1u);
}

TEST_F(EventsKernel, without_waiting_records_go_to_the_sink_in_place) {
    EventsOptions options;
    options.flush_after_ns = 0;
    options.checks = checks();
    auto events = Events::open(map(object_->maps.records), options, in_order());
    ASSERT_TRUE(events);
    send(10'000);
    EXPECT_EQ(events->poll(), 10'000u);
    EXPECT_EQ(last_, 10'000u);
    EXPECT_EQ(largest_, 256u);
}

TEST_F(EventsKernel, a_record_that_is_still_filled_holds_back_those_behind_it_and_the_ring_says_so) {
    Result<Ring> ring = Ring::open(bpf_map__fd(object_->maps.records));
    ASSERT_TRUE(ring) << ring.error().message;
    std::thread slow([&] {
        cpu_set_t other;
        CPU_ZERO(&other);
        CPU_SET(1, &other);
        ASSERT_EQ(sched_setaffinity(0, sizeof other, &other), 0);
        run(object_->progs.fill_slowly, 0);
    });
    while (ring->reserved_bytes() == 0) std::this_thread::yield();
    send(1);
    std::uint64_t taken = 0;
    const auto count = [&](std::span<const Bytes> records) { taken += records.size(); };
    EXPECT_EQ(ring->drain(count), 0u);
    EXPECT_EQ(ring->drained_bytes(), 0u);
    EXPECT_EQ(ring->waiting_bytes(), ring->reserved_bytes());
    EXPECT_FALSE(ring->empty());
    __atomic_store_n(&object_->bss->may_submit, 1u, __ATOMIC_RELEASE);
    slow.join();
    EXPECT_EQ(ring->drain(count), 2u);
    EXPECT_EQ(ring->drained_bytes(), ring->reserved_bytes());
    EXPECT_TRUE(ring->empty());
    EXPECT_EQ(taken, 2u);
}

TEST_F(EventsKernel, a_full_ring_loses_by_count_and_nothing_else) {
    auto events = Events::open(map(object_->maps.records), {}, in_order());
    ASSERT_TRUE(events);
    EXPECT_FALSE(events->losses_known());
    events->count_loss(counter(object_->bss->lost_ring_full), "ring full");
    EXPECT_TRUE(events->losses_known());
    send(20'000);
    events->poll();
    events->finish();
    const std::uint64_t lost = lost_by(*events, "ring full");
    EXPECT_GT(lost, 0u);
    EXPECT_EQ(events->counts().delivered + lost, 20'000u);
}

TEST_F(EventsKernel, a_sink_that_takes_nothing_stalls_the_reader_and_the_stall_is_counted) {
    EventsOptions options;
    options.buffer_bytes = 6400;
    options.flush_records = 10;
    bool busy = true;
    const EventSink take = in_order();
    auto events = Events::open(map(object_->maps.records), options,
                               [&](std::span<const Bytes> records) { return busy ? 0 : take(records); });
    ASSERT_TRUE(events);
    events->count_loss(counter(object_->bss->lost_ring_full), "ring full");
    send(1000);
    events->poll();
    // Headers of 8 bytes count in the ring: 6,400 bytes there are 89 records.
    EXPECT_GE(events->counts().waiting, 89u);
    EXPECT_LE(events->counts().waiting, 102u);
    EXPECT_GE(events->counts().stalls, 1u);
    EXPECT_EQ(events->counts().delivered, 0u);
    busy = false;
    events->flush();
    while (events->poll() > 0) events->flush();
    events->finish();
    EXPECT_EQ(last_, 1000u);
    EXPECT_TRUE(events->losses().empty());
}

TEST_F(EventsKernel, a_sink_that_takes_a_part_is_offered_the_rest_again) {
    EventsOptions options;
    options.flush_records = 1;
    const EventSink take = in_order();
    auto events = Events::open(map(object_->maps.records), options, [&](std::span<const Bytes> records) {
        return take(records.first(std::min<std::size_t>(records.size(), 7)));
    });
    ASSERT_TRUE(events);
    send(100);
    events->poll();
    for (int i = 0; i < 20; ++i) events->flush();
    EXPECT_EQ(last_, 100u);
    EXPECT_EQ(events->counts().delivered, 100u);
}

TEST_F(EventsKernel, what_is_left_at_the_end_is_counted_as_lost) {
    auto events =
        Events::open(map(object_->maps.records), {}, [](std::span<const Bytes>) { return std::size_t{2}; });
    ASSERT_TRUE(events);
    send(10);
    events->poll();
    events->finish();
    EXPECT_EQ(lost_by(*events, "not taken"), 8u);
    EXPECT_EQ(events->counts().delivered, 2u);
}

TEST_F(EventsKernel, refused_records_are_counted_by_cause) {
    EventsOptions options;
    options.checks = checks();
    auto events = Events::open(map(object_->maps.records), options, in_order());
    ASSERT_TRUE(events);
    send(3);
    object_->data->wanted_pid = 0;
    send(4);
    events->poll();
    events->finish();
    EXPECT_EQ(last_, 3u);
    EXPECT_EQ(lost_by(*events, "process number 0"), 4u);
    EXPECT_EQ(events->counts().seen, 7u);
}

TEST_F(EventsKernel, perf_records_come_in_order_through_many_turns_of_the_buffer) {
    EventsOptions options;
    options.perf_pages = 2;
    options.flush_after_ns = 0;
    options.checks = checks();
    auto events = Events::open(map(object_->maps.samples), options, in_order());
    ASSERT_TRUE(events) << events.error().message;
    EXPECT_TRUE(events->losses_known());
    for (int i = 0; i < 100; ++i) {
        send_samples(37);
        events->poll();
    }
    EXPECT_EQ(last_, 3700u);
    EXPECT_TRUE(events->losses().empty());
}

TEST_F(EventsKernel, a_full_perf_buffer_tells_how_many_it_lost) {
    EventsOptions options;
    options.perf_pages = 1;
    std::uint64_t delivered = 0;
    auto events = Events::open(map(object_->maps.samples), options, [&](std::span<const Bytes> records) {
        delivered += records.size();
        return records.size();
    });
    ASSERT_TRUE(events);
    send_samples(500);
    events->poll();
    send_samples(1);  // the kernel tells of a loss before the next record that fits
    events->poll();
    events->finish();
    EXPECT_LT(delivered, 100u);
    EXPECT_EQ(delivered + lost_by(*events, "perf buffer full"), 501u);
}

TEST_F(EventsKernel, other_maps_give_no_events) {
    const auto events = Events::open(map(object_->maps.bss), {}, in_order());
    ASSERT_FALSE(events);
    EXPECT_EQ(events.error().kind, ErrorKind::unsupported);
    EXPECT_FALSE(PerfBuffer::open(bpf_map__fd(object_->maps.records)));
    EXPECT_FALSE(PerfBuffer::open(bpf_map__fd(object_->maps.samples), 3));
}

TEST_F(EventsKernel, the_perf_buffers_leave_the_map_when_the_reader_goes) {
    {
        const auto buffer = PerfBuffer::open(bpf_map__fd(object_->maps.samples));
        ASSERT_TRUE(buffer) << buffer.error().message;
    }
    // Nobody reads CPU 0 any more: its slot is empty.
    const auto erased = map(object_->maps.samples).erase(bytes_of(std::uint32_t{0}));
    ASSERT_FALSE(erased);
    EXPECT_EQ(erased.error().kind, ErrorKind::missing_key);
}

}  // namespace
}  // namespace waggle
