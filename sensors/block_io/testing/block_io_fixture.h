// SPDX-License-Identifier: Apache-2.0
// The sensor at work, and a loop device of the test's own whose rows it gives.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sensing/testing/drain_whole.h"
#include "sensors/block_io/block_io.event.h"
#include "sensors/block_io/block_io.h"
#include "sensors/block_io/testing/loop_device.h"

namespace waggle::sensors {

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
        sensor_.reset();
        std::free(buffer_);
    }

    void start(Mode mode = Mode::events) {
        StartOptions options;
        options.mode = mode;
        auto started = block_io_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
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
        drain_whole(*sensor_, [&](std::span<const Bytes> records) { visit_ours(records, visit); });
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
    std::unique_ptr<Running> sensor_;
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

}  // namespace waggle::sensors
