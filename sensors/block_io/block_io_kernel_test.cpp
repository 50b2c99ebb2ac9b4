// SPDX-License-Identifier: Apache-2.0
// Known work on a loop device of the test's own, and the rows it must give. The second truths are fio, which
// counts what it did, and the kernel's own statistics in /sys/block.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "base/text.h"
#include "model/columns.h"
#include "sensors/block_io/block_io.event.h"
#include "sensors/block_io/block_io.h"
#include "sensors/block_io/loop_device.h"

namespace waggle::sensors {
namespace {

constexpr std::uint64_t image_bytes = 64u << 20;
constexpr std::size_t block = 4096;

class BlockIoKernel : public testing::Test {
  protected:
    void SetUp() override {
        auto made = LoopDevice::make(image_bytes);
        ASSERT_TRUE(made) << made.error().message;
        device_ = std::move(*made);
        watched_ = device_->name();
        ASSERT_EQ(::posix_memalign(&buffer_, block, 1u << 20), 0);
        std::memset(buffer_, 'x', 1u << 20);
    }
    void TearDown() override {
        sensor_->stop();
        std::free(buffer_);
    }

    void start(Mode mode = Mode::events) {
        StartOptions options;
        options.mode = mode;
        const auto started = sensor_->start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
    }

    OwnedFd open_device(int flags) {
        OwnedFd fd(::open(device_->path().c_str(), flags | O_CLOEXEC));
        EXPECT_TRUE(fd) << std::strerror(errno);
        return fd;
    }

    static void write_block(const std::string& path, std::uint64_t number) {
        const OwnedFd fd(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
        alignas(block) char bytes[block] = "a block";
        EXPECT_EQ(::pwrite(fd.get(), bytes, block, static_cast<off_t>(number * block)),
                  static_cast<ssize_t>(block));
    }

    // What the test's device did, as rows.
    void each(const std::function<void(const Row&)>& visit) {
        sensor_->drain([&](std::span<const Bytes> records) { visit_ours(records, visit); });
    }
    void each_counted(const std::function<void(const Row&)>& visit) {
        sensor_->snapshot([&](std::span<const Bytes> records) { visit_ours(records, visit); });
    }
    std::vector<block_io_event> events() {
        std::vector<block_io_event> found;
        each([&](const Row& row) { found.push_back(row.as<block_io_event>()); });
        return found;
    }
    block_device_event device_row() {
        block_device_event found{};
        each_counted([&](const Row& row) {
            if (row.schema().name == "block_device") found = row.as<block_device_event>();
        });
        return found;
    }

    std::string run(const std::string& command) {
        std::string output;
        FILE* pipe = ::popen(command.c_str(), "r");
        if (!pipe) return output;
        char line[4096];
        while (std::fgets(line, sizeof line, pipe)) output += line;
        EXPECT_EQ(::pclose(pipe), 0) << command << "\n" << output;
        return output;
    }

    void expect_no_loss() {
        for (const Loss& loss : sensor_->losses())
            EXPECT_TRUE(loss.count == 0 || loss.cause == "began before waggle started")
                << loss.cause << ": " << loss.count;
    }

    std::unique_ptr<LoopDevice> device_;
    std::string watched_;  // whose rows the test looks at
    std::unique_ptr<Sensor> sensor_ = make_block_io();
    Names names_;
    void* buffer_ = nullptr;

  private:
    void visit_ours(std::span<const Bytes> records, const std::function<void(const Row&)>& visit) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor_->read(record);
            ASSERT_TRUE(row) << row.error().message;
            if (row->text("device") == watched_) visit(*row);
        }
    }
};

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
        EXPECT_STREQ(event.header.comm, "block_io_kernel");
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

TEST_F(BlockIoKernel, the_aggregate_mode_counts_the_same_and_sends_no_record) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd fd = open_device(O_RDONLY | O_DIRECT);
    for (std::uint64_t i = 0; i < 500; ++i)
        ASSERT_EQ(::pread(fd.get(), buffer_, block, static_cast<off_t>(i * block)),
                  static_cast<ssize_t>(block));
    EXPECT_TRUE(events().empty());
    block_io_total_event total{};
    block_device_event device{};
    each_counted([&](const Row& row) {
        if (row.schema().name == "block_device") device = row.as<block_device_event>();
        if (row.schema().name == "block_io_total" && row.u64("pid") == static_cast<std::uint64_t>(::getpid()))
            total = row.as<block_io_total_event>();
    });
    EXPECT_EQ(total.requests, 500u);
    EXPECT_EQ(total.bytes, 500u * block);
    EXPECT_EQ(total.sequential, 499u);
    EXPECT_EQ(total.direct, 500u);
    EXPECT_EQ(total.errors, 0u);
    EXPECT_STREQ(total.header.comm, "block_io_kernel");
    std::uint64_t queued = 0, served = 0, at_least_ns = 0;
    for (std::size_t slot = 0; slot < BLOCK_SLOTS; ++slot) {
        queued += total.queue_histogram[slot];
        served += total.device_histogram[slot];
        at_least_ns += total.device_histogram[slot] * (slot ? 1ull << slot : 0);
    }
    EXPECT_EQ(queued, 500u);
    EXPECT_EQ(served, 500u);
    EXPECT_GE(total.device_ns, at_least_ns);
    EXPECT_LT(total.device_ns, 2 * at_least_ns + 1000);
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
        EXPECT_EQ(row.text("comm"), "block_io_kernel");
        bytes += row.u64("bytes");
    });
    EXPECT_EQ(bytes, 8u << 20);
}

TEST_F(BlockIoKernel, depth_is_what_fio_keeps_under_way) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    run("fio --name=t --filename=" + device_->path() +
        " --rw=randread --bs=64k --direct=1 --ioengine=libaio --iodepth=16 --runtime=2 --time_based"
        " --output-format=terse");
    const block_device_event row = device_row();
    const double depth = static_cast<double>(row.depth_ns) / static_cast<double>(row.busy_ns);
    EXPECT_LE(depth, 16.0);
    EXPECT_GT(depth,
              6.0);  // fio takes back what is ready before it asks anew, so the mean is below its limit
    EXPECT_EQ(row.in_flight, 0u);
}

TEST_F(BlockIoKernel, share_of_time_busy_and_depth_are_right_to_five_points) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    watched_ = stalling.disk().name();
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    const auto began = std::chrono::steady_clock::now();
    std::chrono::duration<double, std::milli> under_way{};
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(stalling.stall());
        const auto asked = std::chrono::steady_clock::now();
        std::vector<std::thread> writers;
        for (int i = 0; i < 4; ++i) writers.emplace_back([&, i] { write_block("/dev/" + watched_, i); });
        std::this_thread::sleep_for(std::chrono::milliseconds(400));
        stalling.go_on();
        for (std::thread& writer : writers) writer.join();
        under_way += std::chrono::steady_clock::now() - asked;
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    const block_device_event row = device_row();
    const double elapsed_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
    // Not the kernel's own io_ticks: requests that start at once on several CPUs make it count the idle time
    // before them, up to minutes. Starting the writers is in this time too, and takes longer where the CPU is
    // emulated.
    const double true_share = under_way.count() / elapsed_ms;
    const double share = static_cast<double>(row.busy_ns) / static_cast<double>(row.covers_ns);
    EXPECT_LT(share, true_share + 0.05);
    EXPECT_GT(share, true_share - (std::getenv("WAGGLE_VM") ? 0.15 : 0.05));
    EXPECT_GT(share, 0.4);
    EXPECT_LT(share, 0.75);
    EXPECT_NEAR(static_cast<double>(row.depth_ns) / static_cast<double>(row.busy_ns), 4.0, 0.4);
    EXPECT_EQ(row.requests, 12u);
    EXPECT_EQ(row.write_bytes, 12 * block);
}

TEST_F(BlockIoKernel, one_long_request_keeps_the_device_busy_in_every_snapshot) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    watched_ = stalling.disk().name();
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    ASSERT_TRUE(stalling.stall());
    std::thread writer([&] { write_block("/dev/" + watched_, 0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    device_row();
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const block_device_event row = device_row();
        EXPECT_EQ(row.in_flight, 1u);
        EXPECT_EQ(row.busy_ns, row.covers_ns);
        EXPECT_EQ(row.depth_ns, row.covers_ns);
        EXPECT_GE(row.covers_ns, 200'000'000u);
    }
    stalling.go_on();
    writer.join();
    EXPECT_EQ(device_row().in_flight, 0u);
}

TEST_F(BlockIoKernel, a_disk_that_stood_still_before_the_start_is_busy_until_it_answers) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    watched_ = stalling.disk().name();
    ASSERT_TRUE(stalling.stall());
    std::thread writer([&] { write_block("/dev/" + watched_, 0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        const block_device_event row = device_row();
        EXPECT_EQ(row.in_flight, 1u);
        EXPECT_EQ(row.busy_ns, row.covers_ns);
        EXPECT_EQ(row.depth_ns, row.covers_ns);
        EXPECT_EQ(row.requests, 0u);
    }
    stalling.go_on();
    writer.join();
    device_row();
    write_block("/dev/" + watched_, 1);
    const block_device_event row = device_row();
    EXPECT_EQ(row.in_flight, 0u);
    EXPECT_EQ(row.requests, 1u);
    EXPECT_LT(row.busy_ns, row.covers_ns);
}

TEST_F(BlockIoKernel, requests_under_way_at_the_start_are_not_taken_for_negative_depth) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::execlp("fio", "fio", "--name=t", ("--filename=" + device_->path()).c_str(), "--rw=randread",
                 "--bs=4k", "--direct=1", "--ioengine=libaio", "--iodepth=32", "--runtime=3", "--time_based",
                 "--output=/dev/null", nullptr);
        ::_exit(127);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1000));
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    device_row();
    int status = 0;
    std::uint64_t depth_ns = 0,
                  covers_ns = 0;  // a reading that had to wait for a processor ends in the next row
    for (bool ended = false; !ended; ended = ::waitpid(child, &status, WNOHANG) == child) {
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const block_device_event row = device_row();
        EXPECT_LE(row.in_flight, 33u);
        EXPECT_LE(row.busy_ns, row.covers_ns);
        depth_ns += row.depth_ns;
        covers_ns += row.covers_ns;
    }
    EXPECT_LE(depth_ns, 33 * covers_ns);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(device_row().in_flight, 0u);
}

}  // namespace
}  // namespace waggle::sensors
