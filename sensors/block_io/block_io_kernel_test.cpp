// SPDX-License-Identifier: Apache-2.0
// Known work on a loop device of the test's own, and the rows it must give. The second truths are fio, which
// counts what it did, and the kernel's own statistics in /sys/block.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cerrno>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "base/text.h"
#include "model/columns.h"
#include "model/histogram.h"
#include "sensors/block_io/block_io.event.h"
#include "sensors/block_io/block_io.h"
#include "sensors/block_io/testing/block_io_fixture.h"

namespace waggle::sensors {
namespace {

constexpr HistogramForm times = HistogramForm::log_linear(BLOCK_TIME_UNIT, BLOCK_TIME_END);
using Slots = std::map<std::size_t, std::uint64_t>;  // counts by slot

Slots slots_of(const Row& row, std::string_view field) {
    HistogramReader reader(row.histogram(*row.schema().find(field)));
    Slots out;
    std::size_t slot = 0;
    for (std::uint64_t count = 0; reader.next(slot, count);) out[slot] += count;
    EXPECT_FALSE(reader.damaged());
    EXPECT_TRUE(out.empty() || reader.form() == times);
    return out;
}

std::uint64_t values_of(const Slots& slots) {
    std::uint64_t sum = 0;
    for (const auto& [slot, count] : slots) sum += count;
    return sum;
}

// As the kernel cuts it.
const std::string own_name = std::string(program_invocation_short_name).substr(0, 15);

TEST_F(BlockIoKernel, a_thousand_direct_reads_give_a_thousand_rows_with_the_right_bytes) {
    ASSERT_NO_FATAL_FAILURE(start());
    const OwnedFd fd = open_device(O_RDONLY | O_DIRECT);
    std::set<std::uint64_t> asked;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        const std::uint64_t at = i * 7919 % (image_bytes / block) * block;
        ASSERT_EQ(::pread(fd.get(), buffer_, block, static_cast<off_t>(at)), static_cast<ssize_t>(block));
        asked.insert(at / 512);
    }
    std::uint64_t bytes = 0;
    std::size_t rows = 0;
    std::set<std::uint64_t> answered;
    each([&](const Row& row) {
        const auto& event = row.as<block_io_event>();
        EXPECT_EQ(event.header.pid, static_cast<__u32>(::getpid()));
        EXPECT_EQ(event.header.comm, own_name);
        EXPECT_EQ(names_.find("block_operation", event.operation), "READ");
        EXPECT_NE(event.header.start_ns, 0u);
        EXPECT_NE(event.header.cgroup_id, 0u);
        EXPECT_EQ(event.direct, 1);
        EXPECT_EQ(event.error, 0u);
        EXPECT_EQ(event.sequential, 0);
        EXPECT_EQ(event.depth, 1u);
        EXPECT_GT(event.device_ns, 0u);
        EXPECT_LT(event.device_ns, 10'000'000'000u);
        EXPECT_LT(event.queue_ns, 10'000'000'000u);
        ++rows;
        bytes += event.bytes;
        answered.insert(event.sector);
    });
    EXPECT_EQ(rows, 1000u);
    EXPECT_EQ(bytes, 4'096'000u);
    EXPECT_EQ(answered, asked);
    expect_no_loss();
}

TEST_F(BlockIoKernel, fio_counts_the_same_thousand_reads) {
    ASSERT_NO_FATAL_FAILURE(start());
    std::uint32_t deepest = 0;
    // Where the disk's worker gets the only free processor, it answers each request before the next is there.
    for (int tries = 0; tries < 5 && deepest <= 8; ++tries) {
        run("fio --name=t --filename=" + device_->path() +
            " --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=16 --iodepth_batch_submit=16"
            " --iodepth_batch_complete_min=16 --number_ios=1000 --norandommap --output-format=terse");
        std::size_t rows = 0;
        std::uint64_t bytes = 0;
        for (const block_io_event& event : events()) {
            if (std::string_view(event.header.comm) != "fio" || event.direct == 0) continue;
            ++rows;
            bytes += event.bytes;
            deepest = std::max(deepest, event.depth);
        }
        EXPECT_EQ(rows, 1000u);
        EXPECT_EQ(bytes, 4'096'000u);
    }
    EXPECT_GT(deepest, 8u);
    EXPECT_LE(deepest, 16u);
    expect_no_loss();
}

TEST_F(BlockIoKernel, histograms_have_each_single_event_in_its_slot) {
    ASSERT_NO_FATAL_FAILURE(start());
    Slots queued, served;
    const auto add = [&](Slots& sum, const Row& row, std::string_view field) {
        for (const auto& [slot, count] : slots_of(row, field)) sum[slot] += count;
    };
    const auto read = [&] {
        each_counted([&](const Row& row) {
            if (row.schema().name != "block_io_total") return;
            add(queued, row, "queue_histogram");
            add(served, row, "device_histogram");
        });
    };
    Slots queued_singly, served_singly;
    std::size_t rows = 0;
    // Small and large requests, one at a time and many: latencies of several octaves. Each round's rows hold
    // what was added since the last one's.
    for (const char* how : {"--bs=4k --iodepth=1 --number_ios=800", "--bs=256k --iodepth=16 --number_ios=400",
                            "--bssplit=4k/50:1m/50 --iodepth=4 --number_ios=300"}) {
        run("fio --name=t --filename=" + device_->path() +
            " --rw=randread --direct=1 --ioengine=libaio --norandommap --output-format=terse " +
            std::string(how));
        read();
        for (const block_io_event& event : events()) {
            ++rows;
            ++queued_singly[times.slot_of(event.queue_ns)];
            ++served_singly[times.slot_of(event.device_ns)];
        }
    }
    read();
    expect_no_loss();
    EXPECT_GE(rows, 1000u);
    EXPECT_EQ(queued, queued_singly);
    EXPECT_EQ(served, served_singly);
    EXPECT_GE(served.rbegin()->first - served.begin()->first, 32u) << "latencies of two octaves at least";
}

TEST_F(BlockIoKernel, the_aggregate_mode_counts_the_same_and_sends_no_record) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd fd = open_device(O_RDONLY | O_DIRECT);
    for (std::uint64_t i = 0; i < 500; ++i)
        ASSERT_EQ(::pread(fd.get(), buffer_, block, static_cast<off_t>(i * block)),
                  static_cast<ssize_t>(block));
    EXPECT_TRUE(events().empty());
    block_io_total_event total{};
    Slots queued, served;
    block_device_event device{};
    each_counted([&](const Row& row) {
        if (row.schema().name == "block_device") device = row.as<block_device_event>();
        if (row.schema().name == "block_io_total" &&
            row.u64("pid") == static_cast<std::uint64_t>(::getpid())) {
            total = row.as<block_io_total_event>();
            queued = slots_of(row, "queue_histogram");
            served = slots_of(row, "device_histogram");
        }
    });
    EXPECT_EQ(total.requests, 500u);
    EXPECT_EQ(total.bytes, 500u * block);
    EXPECT_EQ(total.sequential, 499u);
    EXPECT_EQ(total.direct, 500u);
    EXPECT_EQ(total.errors, 0u);
    EXPECT_EQ(total.header.comm, own_name);
    EXPECT_EQ(values_of(queued), 500u);
    EXPECT_EQ(values_of(served), 500u);
    // The sum lies between what the lower and the upper ends of the slots make.
    std::uint64_t at_least_ns = 0, at_most_ns = 0;
    for (const auto& [slot, count] : served) {
        at_least_ns += count * times.lower_bound(slot);
        at_most_ns += count * times.upper_bound(slot);
    }
    EXPECT_GE(total.device_ns, at_least_ns);
    EXPECT_LE(total.device_ns, at_most_ns);
    EXPECT_EQ(device.requests, 500u);
    EXPECT_EQ(device.read_bytes, 500u * block);
    EXPECT_EQ(device.in_flight, 0u);
    EXPECT_EQ(device.busy_ns, device.depth_ns);  // one at a time
    EXPECT_GE(device.busy_ns, total.device_ns);
    // The next snapshot holds what was added since: nothing; the device is there all the same.
    bool again = false;
    device = {};
    each_counted([&](const Row& row) {
        again |= row.schema().name == "block_io_total";
        if (row.schema().name == "block_device") device = row.as<block_device_event>();
    });
    EXPECT_FALSE(again);
    EXPECT_GT(device.covers_ns, 0u);
    EXPECT_EQ(device.requests + device.busy_ns + device.depth_ns, 0u);
}

TEST_F(BlockIoKernel, writes_and_the_flush_behind_them_are_put_down_to_who_asked) {
    ASSERT_NO_FATAL_FAILURE(start());
    const OwnedFd fd = open_device(O_RDWR | O_DIRECT);
    for (std::uint64_t i = 0; i < 20; ++i) {
        ASSERT_EQ(::pwrite(fd.get(), buffer_, 4 * block, static_cast<off_t>(i * 4 * block)),
                  static_cast<ssize_t>(4 * block));
        ASSERT_EQ(::fdatasync(fd.get()), 0);
    }
    std::size_t writes = 0, flushes = 0, ours = 0;
    for (const block_io_event& event : events()) {
        const std::string_view operation = names_.find("block_operation", event.operation);
        if (operation == "WRITE") {
            ++writes;
            EXPECT_EQ(event.bytes, 4 * block);
            EXPECT_TRUE(event.flags & BLOCK_SYNC) << names_.find("block_flags", event.flags);
            EXPECT_EQ(event.header.pid, static_cast<__u32>(::getpid()));
        } else {
            EXPECT_EQ(operation, "FLUSH");
            ++flushes;
            EXPECT_EQ(event.bytes, 0u);
            ours += event.header.pid == static_cast<__u32>(::getpid());
        }
    }
    EXPECT_EQ(writes, 20u);
    EXPECT_EQ(flushes, 20u);
    EXPECT_EQ(ours, 20u);
    expect_no_loss();
}

TEST_F(BlockIoKernel, a_flush_behind_a_durable_write_is_put_down_to_who_wrote) {
    ASSERT_NO_FATAL_FAILURE(start());
    const OwnedFd fd = open_device(O_RDWR | O_DIRECT | O_DSYNC);
    for (std::uint64_t i = 0; i < 10; ++i)
        ASSERT_EQ(::pwrite(fd.get(), buffer_, block, static_cast<off_t>(i * block)),
                  static_cast<ssize_t>(block));
    std::size_t writes = 0, flushes = 0;
    for (const block_io_event& event : events()) {
        EXPECT_EQ(event.header.pid, static_cast<__u32>(::getpid()));
        writes += names_.find("block_operation", event.operation) == "WRITE";
        flushes += names_.find("block_operation", event.operation) == "FLUSH";
    }
    EXPECT_EQ(writes, 10u);
    EXPECT_GE(flushes, 10u);
    expect_no_loss();
}

TEST_F(BlockIoKernel, buffered_writes_are_not_direct_and_their_bytes_add_up) {
    ASSERT_NO_FATAL_FAILURE(start());
    const OwnedFd fd = open_device(O_RDWR);
    for (std::uint64_t i = 0; i < 8; ++i)
        ASSERT_EQ(::pwrite(fd.get(), buffer_, 1u << 20, static_cast<off_t>(i << 20)), 1 << 20);
    ASSERT_EQ(::fsync(fd.get()), 0);
    std::uint64_t written = 0;
    for (const block_io_event& event : events()) {
        if (names_.find("block_operation", event.operation) != "WRITE") continue;
        EXPECT_EQ(event.direct, 0);
        written += event.bytes;
    }
    EXPECT_EQ(written, 8u << 20);
    expect_no_loss();
}

TEST_F(BlockIoKernel, a_queue_with_a_scheduler_still_names_who_submitted) {
    const std::string scheduler = "/sys/block/" + device_->name() + "/queue/scheduler";
    run("modprobe -q mq-deadline; echo mq-deadline > " + scheduler);
    ASSERT_NO_FATAL_FAILURE(start());
    run("fio --name=t --filename=" + device_->path() +
        " --rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=32 --number_ios=1000 --norandommap"
        " --output-format=terse");
    std::size_t fios = 0;
    std::uint64_t bytes = 0, queued = 0;
    for (const block_io_event& event : events()) {
        if (!event.direct) continue;
        fios += std::string_view(event.header.comm) == "fio";
        bytes += event.bytes;
        queued += event.queue_ns > 0;
    }
    run("echo none > " + scheduler);
    EXPECT_EQ(bytes, 4'096'000u);
    EXPECT_GE(fios, 990u);  // neighbours can be merged
    EXPECT_LE(fios, 1000u);
    EXPECT_GT(queued, 900u);
    expect_no_loss();
}

TEST_F(BlockIoKernel, a_write_that_fails_gives_a_row_with_its_error) {
    ASSERT_NO_FATAL_FAILURE(start());
    const OwnedFd fd = open_device(O_WRONLY | O_DIRECT);
    ASSERT_EQ(::fcntl(device_->image_fd(), F_ADD_SEALS, F_SEAL_WRITE),
              0);  // the image refuses every write from now on
    EXPECT_EQ(::pwrite(fd.get(), buffer_, block, 0), -1);
    const auto found = events();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(names_.find("block_operation", found[0].operation), "WRITE");
    EXPECT_EQ(found[0].error, static_cast<__u32>(EIO));
    EXPECT_EQ(names_.find("errno", found[0].error), "EIO");
    EXPECT_EQ(found[0].bytes, block);
    EXPECT_EQ(device_row().errors, 1u);
}

TEST_F(BlockIoKernel, who_dirties_pages_is_named_though_a_worker_writes_them) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd fd = open_device(O_RDWR);
    for (std::uint64_t i = 0; i < 8; ++i)
        ASSERT_EQ(::pwrite(fd.get(), buffer_, 1u << 20, static_cast<off_t>(i << 20)), 1 << 20);
    std::uint64_t bytes = 0;
    each_counted([&](const Row& row) {
        if (row.schema().name != "page_dirty_total") return;
        EXPECT_EQ(row.u64("pid"), static_cast<std::uint64_t>(::getpid()));
        EXPECT_EQ(row.text("comm"), own_name);
        bytes += row.u64("bytes");
    });
    EXPECT_EQ(bytes, 8u << 20);
}

}  // namespace
}  // namespace waggle::sensors
