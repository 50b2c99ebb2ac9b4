// SPDX-License-Identifier: Apache-2.0
// From fault to words: a disk of the test's own is made slow or kept quiet, and the program is asked why.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

#include "sensors/block_io/loop_device.h"

namespace waggle::sensors {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
constexpr std::size_t block = 4096;

std::string output_of(const std::string& command, int* status = nullptr) {
    std::string output;
    FILE* pipe = ::popen(command.c_str(), "r");
    char part[4096];
    while (pipe && std::fgets(part, sizeof part, pipe)) output += part;
    const int ended = pipe ? ::pclose(pipe) : -1;
    if (status) *status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    return output;
}

std::string waggle(const std::string& arguments, int* status = nullptr) {
    return output_of(WAGGLE_BINARY_DIR "/bin/waggle " + arguments, status);
}

// Waits until a line of numbers in /sys/block/X begins with such a number as wanted.
bool wait_for(const std::string& path, std::size_t index, std::uint64_t at_least) {
    for (int i = 0; i < 600; ++i) {
        std::istringstream line(output_of("cat " + path));
        std::uint64_t number = 0;
        for (std::size_t at = 0; at <= index; ++at) line >> number;
        if (number >= at_least) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return false;
}

// The finding about this disk, or null.
json finding_about(const std::string& answer, const std::string& device) {
    const json parsed = json::parse(answer, nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << answer;
    if (!parsed.is_object()) return {};
    for (const json& finding : parsed["findings"])
        if (finding["object"]["name"] == device) return finding;
    return {};
}

// In a virtual machine without hardware help a load stops for seconds while its CPU is elsewhere, and a disk
// without requests is not saturated: there the question is asked again.
bool emulated() { return ::getenv("WAGGLE_VM") != nullptr; }

struct Asked {
    json finding;  // about the device, or null
    std::string answer;
    int status = 0;
};
Asked ask_about(const std::string& device, const std::string& duration) {
    Asked asked;
    for (int tries = emulated() ? 5 : 1; tries > 0 && asked.finding.is_null(); --tries) {
        asked.answer = waggle("why disk --for " + duration + " --output json", &asked.status);
        asked.finding = finding_about(asked.answer, device);
    }
    return asked;
}

// A process that works on the disk until the object goes.
class Fio {
  public:
    Fio(const std::string& device, const std::string& options) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        const std::string command = "exec fio --name=t --filename=/dev/" + device +
                                    " --runtime=120 --time_based --output=/dev/null " + options;
        ::execlp("sh", "sh", "-c", command.c_str(), nullptr);
        ::_exit(127);
    }
    ~Fio() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    Fio(const Fio&) = delete;
    Fio& operator=(const Fio&) = delete;

  private:
    pid_t pid_;
};

// Threads that each write one block after the other, durably.
class Writers {
  public:
    Writers(const std::string& device, int count) {
        for (int i = 0; i < count; ++i)
            threads_.emplace_back([this, device, i] {
                const OwnedFd fd(::open(("/dev/" + device).c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC));
                alignas(block) char bytes[block] = "a block";
                while (!stop_) {
                    EXPECT_EQ(::pwrite(fd.get(), bytes, block,
                                       static_cast<off_t>(static_cast<std::size_t>(i) * block)),
                              static_cast<ssize_t>(block));
                }
            });
    }
    ~Writers() {
        stop_ = true;
        for (std::thread& thread : threads_) thread.join();
    }

  private:
    std::atomic<bool> stop_ = false;
    std::vector<std::thread> threads_;
};

TEST(BlockIoRules, random_reads_at_depth_32_saturate_a_disk_and_the_answer_names_it_and_who) {
    auto made = LoopDevice::make(64u << 20);
    ASSERT_TRUE(made) << made.error().message;
    const std::string device = (*made)->name();
    const Fio fio(device, "--rw=randread --bs=4k --direct=1 --ioengine=libaio --iodepth=32");
    ASSERT_TRUE(wait_for("/sys/block/" + device + "/stat", 0, 100));
    const auto began = std::chrono::steady_clock::now();
    const auto [finding, answer, status] = ask_about(device, "3s");
    const auto took = std::chrono::steady_clock::now() - began;
    ASSERT_FALSE(finding.is_null()) << answer;
    EXPECT_EQ(status, 1);
    if (!emulated()) {
        EXPECT_LT(took, std::chrono::seconds(5));
    }
    EXPECT_EQ(finding["rule"], "disk_saturated");
    EXPECT_EQ(finding["object"]["kind"], "disk");
    EXPECT_EQ(finding["subject"]["comm"], "fio");
    EXPECT_THAT(finding["what"].get<std::string>(), HasSubstr(device + " is saturated"));
    const std::string because = finding["because"].dump();
    EXPECT_THAT(because, HasSubstr("makes 100 % of its work"));
    EXPECT_THAT(because, HasSubstr("random reads of 4 KiB each, direct, past the page cache"));
    EXPECT_THAT(because, HasSubstr("in the kernel's queue and"));
    EXPECT_THAT(finding["impact"].get<std::string>(), HasSubstr("99 of 100 up to"));
    EXPECT_GE(finding["evidence"].size(), 3u);
    EXPECT_EQ(finding["evidence"][0]["rows"][0]["comm"], "fio");
}

TEST(BlockIoRules, a_slow_disk_with_waiting_writers_is_saturated) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    std::atomic<bool> stop = false;
    std::thread slowness([&] {
        while (!stop) {
            EXPECT_TRUE(stalling.stall());
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
            stalling.go_on();
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    });
    Asked asked;
    {
        const Writers writers(stalling.disk().name(), 16);
        asked = ask_about(stalling.disk().name(), "4500ms");
        stop = true;
        slowness.join();
    }
    const auto& [finding, answer, status] = asked;
    ASSERT_FALSE(finding.is_null()) << answer;
    EXPECT_EQ(finding["rule"], "disk_saturated");
    EXPECT_EQ(finding["severity"], "critical");
    EXPECT_EQ(finding["subject"]["pid"], std::to_string(::getpid()));
    EXPECT_THAT(finding["because"].dump(), HasSubstr(", direct, past the page cache"));
}

TEST(BlockIoRules, a_disk_that_does_not_answer_stands_still) {
    auto made = StallingDevice::make(8u << 20);
    ASSERT_TRUE(made) << made.error().message;
    StallingDevice& stalling = **made;
    ASSERT_TRUE(stalling.stall());
    std::string answer;
    {
        // The disk hangs before waggle is there: no event will ever tell.
        const Writers writers(stalling.disk().name(), 2);
        EXPECT_TRUE(wait_for("/sys/block/" + stalling.disk().name() + "/inflight", 1, 2));
        answer = waggle("why disk --for 3500ms --output json");
        stalling.go_on();
    }
    const json finding = finding_about(answer, stalling.disk().name());
    ASSERT_FALSE(finding.is_null()) << answer;
    EXPECT_EQ(finding["rule"], "disk_stands_still");
    EXPECT_EQ(finding["severity"], "critical");
    EXPECT_THAT(finding["what"].get<std::string>(), HasSubstr("stands still: 2 requests wait"));
}

TEST(BlockIoRules, a_package_install_and_a_reader_without_a_queue_are_no_fault) {
    auto made = LoopDevice::make(64u << 20);
    auto reader = LoopDevice::make(64u << 20);
    ASSERT_TRUE(made && reader);
    const std::string device = (*made)->name();
    std::string point = (std::filesystem::temp_directory_path() / "waggle-mount-XXXXXX").string();
    ASSERT_TRUE(::mkdtemp(point.data()));
    ASSERT_EQ(std::system(("mkfs.ext4 -q /dev/" + device + " && mount /dev/" + device + " " + point).c_str()),
              0);
    std::string answer;
    {
        const Fio fio((*reader)->name(), "--rw=read --bs=64k --direct=1 --ioengine=sync");
        // Small files, each forced to the disk, as a package manager unpacks them.
        answer = waggle(
            "why disk --output json -- sh -c 'end=$(($(date +%s) + 4)); while [ $(date +%s) -lt $end ]; do "
            "for i in 1 2 3 4 5; do dd if=/dev/zero of=" +
            point + "/$i bs=20k count=1 conv=fsync 2>/dev/null; done; done'");
    }
    ::umount2(point.c_str(), MNT_DETACH);
    ::rmdir(point.c_str());
    EXPECT_TRUE(finding_about(answer, device).is_null()) << answer;
    EXPECT_TRUE(finding_about(answer, (*reader)->name()).is_null()) << answer;
    EXPECT_THAT(answer, HasSubstr("\"seen\""));
}

}  // namespace
}  // namespace waggle::sensors
