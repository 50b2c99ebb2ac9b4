// SPDX-License-Identifier: Apache-2.0
// Counts against the kernel's own, and times against a filter that takes a known time of each packet.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/columns.h"
#include "model/histogram.h"
#include "sensors/interrupt/interrupt.event.h"
#include "sensors/interrupt/interrupt.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

// The column of one processor in a table of /proc whose first line names the processors; by the first word of each line
// (with `key` also by what stands at its end).
Counts column_of(const char* path, unsigned cpu) {
    Counts out;
    std::FILE* file = std::fopen(path, "re");
    if (!file) return out;
    char line[16384];
    std::size_t column = 0, columns = 0;
    if (std::fgets(line, sizeof line, file)) {
        std::istringstream heading(line);
        for (std::string word; heading >> word; ++columns)
            if (word == "CPU" + std::to_string(cpu)) column = columns;
    }
    while (std::fgets(line, sizeof line, file)) {
        std::istringstream words(line);
        std::string name, number;
        if (!(words >> name)) continue;
        name.pop_back();  // its colon
        for (std::size_t i = 0; i <= column && words >> number; ++i) {
        }
        if (!number.empty()) out[name] = std::strtoull(number.c_str(), nullptr, 10);
    }
    std::fclose(file);
    return out;
}

class InterruptKernel : public testing::Test {
  protected:
    // The test stays on one processor. While it runs there, nothing else does: no softirq and no handler of that processor
    // is half done when it reads.
    void SetUp() override {
        ASSERT_EQ(::sched_getaffinity(0, sizeof allowed_, &allowed_), 0);
        cpu_ = static_cast<unsigned>(::sched_getcpu());
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu_, &one);
        ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
        auto started = interrupt_source.start({}, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }
    void TearDown() override {
        sensor_.reset();
        ::sched_setaffinity(0, sizeof allowed_, &allowed_);
    }

    void each_counted(const std::function<void(const Row&)>& visit) {
        sensor_->snapshot([&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                visit(*row);
            }
        });
    }
    // What was added to a table since the last call, on this processor: by the kind's name, or the line's number.
    void add_counted(Counts& softirqs, Counts& lines) {
        each_counted([&](const Row& row) {
            if (row.schema().name == "softirq" && row.u64("cpu") == cpu_)
                softirqs[std::string(names_.find("softirq_kind", row.u64("kind")))] += row.u64("times");
            // A handler for each action of a line; the kernel counts the line.
            if (row.schema().name == "interrupt" && row.u64("cpu") == cpu_) {
                std::uint64_t& times = lines[std::to_string(row.u64("line"))];
                times = std::max<std::uint64_t>(times, row.u64("times"));
            }
        });
    }
    // The kernel's counts at a border where nothing was added while the sensor was read. Kinds that moved are left out.
    static Counts unmoved(const Counts& before, const Counts& after) {
        Counts out;
        for (const auto& [name, count] : before)
            if (const auto same = after.find(name); same != after.end() && same->second == count)
                out[name] = count;
        return out;
    }
    Counts border(const char* path, const std::function<void()>& read) const {
        const Counts before = column_of(path, cpu_);
        read();
        return unmoved(before, column_of(path, cpu_));
    }

    void expect_no_loss() {
        for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    }

    cpu_set_t allowed_{};
    unsigned cpu_ = 0;
    Names names_;
    std::unique_ptr<Running> sensor_;
};

// Two UDP sockets of this process on the loopback device.
struct Pair {
    Pair() {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        receiver = OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sender = OwnedFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::bind(receiver.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
        socklen_t length = sizeof any;
        EXPECT_EQ(::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&any), &length), 0);
        EXPECT_EQ(::connect(sender.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    }
    void send(int packets) const {
        char byte = 'x';
        for (int i = 0; i < packets; ++i) {
            ASSERT_EQ(::send(sender.get(), &byte, 1, 0), 1);
            ASSERT_EQ(::recv(receiver.get(), &byte, 1, 0), 1) << "it is there when send() returns";
        }
    }
    OwnedFd receiver, sender;
};

TEST_F(InterruptKernel, softirqs_of_a_processor_are_as_many_as_the_kernel_counts) {
    const Pair pair;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    std::set<std::string> proven;
    // An emulated machine has a tick of its clock in nearly every reading: there those counts never stand still.
    const std::set<std::string> wanted = std::getenv("WAGGLE_VM")
                                             ? std::set<std::string>{"NET_RX"}
                                             : std::set<std::string>{"NET_RX", "TIMER", "RCU", "SCHED"};
    while (!std::includes(proven.begin(), proven.end(), wanted.begin(), wanted.end())) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline)
            << proven.size() << " of " << wanted.size() << " kinds";
        Counts before_first, ours, lines;
        const Counts first = border("/proc/softirqs", [&] { add_counted(before_first, lines); });
        pair.send(500);
        ::usleep(30'000);
        const Counts second = border("/proc/softirqs", [&] { add_counted(ours, lines); });
        for (const auto& [kind, count] : second) {
            const auto began = first.find(kind);
            if (began == first.end()) continue;
            // A kernel leaves out an event now and then.
            EXPECT_LE(ours[kind], count - began->second) << kind;
            EXPECT_GE(ours[kind] + 1, count - began->second) << kind;
            if (ours[kind] > 0 && (kind != "NET_RX" || ours[kind] >= 500)) proven.insert(kind);
        }
    }
    expect_no_loss();
}

TEST_F(InterruptKernel, interrupts_of_a_processor_are_as_many_as_the_kernel_counts) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::uint64_t compared = 0;
    // Which lines have interrupts here is the machine's matter; each that is counted at two clean borders is compared.
    for (int round = 0; round < 40 && std::chrono::steady_clock::now() < deadline; ++round) {
        Counts before_first, softirqs, ours;
        const Counts first = border("/proc/interrupts", [&] { add_counted(softirqs, before_first); });
        {
            // Makes the disk work where /var/tmp is on one.
            char path[] = "/var/tmp/waggle-interrupt-XXXXXX";
            const OwnedFd file(::mkstemp(path));
            ASSERT_TRUE(file);
            ::unlink(path);
            ASSERT_EQ(::write(file.get(), path, sizeof path), static_cast<ssize_t>(sizeof path));
            ::fsync(file.get());
        }
        ::usleep(20'000);
        const Counts second = border("/proc/interrupts", [&] { add_counted(softirqs, ours); });
        for (const auto& [line, count] : second) {
            const auto began = first.find(line);
            if (began == first.end() || !std::isdigit(static_cast<unsigned char>(line[0]))) continue;
            EXPECT_LE(ours[line], count - began->second) << "line " << line;
            EXPECT_GE(ours[line] + 1, count - began->second) << "line " << line;
            ++compared;
        }
    }
    EXPECT_GT(compared, 0u);
    expect_no_loss();
}

TEST_F(InterruptKernel, names_of_lines_are_those_of_proc_interrupts) {
    std::map<std::string, std::set<std::string>> seen;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (seen.empty() && std::chrono::steady_clock::now() < deadline) {
        char path[] = "/var/tmp/waggle-interrupt-XXXXXX";
        const OwnedFd file(::mkstemp(path));
        ::unlink(path);
        EXPECT_EQ(::write(file.get(), path, sizeof path), static_cast<ssize_t>(sizeof path));
        ::fsync(file.get());
        std::printf("some output for a console\n");
        ::usleep(50'000);
        each_counted([&](const Row& row) {
            if (row.schema().name == "interrupt")
                seen[std::to_string(row.u64("line"))].insert(std::string(row.text("name")));
        });
    }
    ASSERT_FALSE(seen.empty());
    std::FILE* file = std::fopen("/proc/interrupts", "re");
    ASSERT_NE(file, nullptr);
    char line[16384];
    std::map<std::string, std::string> theirs;
    while (std::fgets(line, sizeof line, file)) {
        std::istringstream words(line);
        std::string number;
        words >> number;
        number.pop_back();
        theirs[number] = line;
    }
    std::fclose(file);
    for (const auto& [number, names] : seen)
        for (const std::string& name : names)
            EXPECT_NE(theirs[number].find(" " + name), std::string::npos)
                << number << " " << name << ": " << theirs[number];
}

// A socket filter that lets every packet through and takes `least_ns` of the clock for it. It runs in the softirq.
OwnedFd slow_filter(std::int32_t least_ns) {
    const auto op = [](std::uint8_t code, int dst, int src, std::int16_t off, std::int32_t imm) {
        bpf_insn insn{};
        insn.code = code;
        insn.dst_reg = static_cast<std::uint8_t>(dst) & 0xf;
        insn.src_reg = static_cast<std::uint8_t>(src) & 0xf;
        insn.off = off;
        insn.imm = imm;
        return insn;
    };
    const bpf_insn program[] = {
        op(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
        op(BPF_ALU64 | BPF_MOV | BPF_X, 6, 0, 0, 0),
        op(BPF_ALU64 | BPF_MOV | BPF_K, 7, 0, 0,
           4'000),  // no longer than so many rounds: the verifier follows each
        op(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
        op(BPF_ALU64 | BPF_SUB | BPF_X, 0, 6, 0, 0),
        op(BPF_JMP | BPF_JGE | BPF_K, 0, 0, 2, least_ns),
        op(BPF_ALU64 | BPF_SUB | BPF_K, 7, 0, 0, 1),
        op(BPF_JMP | BPF_JNE | BPF_K, 7, 0, -5, 0),
        op(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0xffff),
        op(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    return OwnedFd(::bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "waggle_slow", "GPL", program,
                                   std::size(program), nullptr));
}

TEST_F(InterruptKernel, receiving_takes_at_least_what_its_filter_takes_and_at_most_what_the_sender_waits) {
    constexpr int packets = 300;
    constexpr std::uint64_t filter_ns = 30'000;
    const Pair pair;
    const OwnedFd filter = slow_filter(filter_ns);
    ASSERT_TRUE(filter) << std::strerror(errno);
    const int fd = filter.get();
    ASSERT_EQ(::setsockopt(pair.receiver.get(), SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof fd), 0)
        << std::strerror(errno);
    const SystemClock clock;
    const std::uint64_t began = clock.monotonic_ns();
    each_counted([](const Row&) {});
    pair.send(packets);
    const auto own_pid = static_cast<std::uint64_t>(::getpid());
    std::uint64_t receive_ns = 0, softirq_ns = 0, interrupt_ns = 0;        // in this process's time
    std::uint64_t handlers_ns = 0, cpu_receive_ns = 0, cpu_thread_ns = 0;  // on this processor
    std::uint64_t times = 0, in_histogram = 0, long_ones = 0;
    const auto of_processor = [&](const Row& row) {
        if (row.schema().name == "interrupt" && row.u64("cpu") == cpu_) handlers_ns += row.u64("run_ns");
        if (row.schema().name != "softirq" || row.u64("cpu") != cpu_ ||
            names_.find("softirq_kind", row.u64("kind")) != "NET_RX")
            return;
        cpu_receive_ns += row.u64("run_ns");
        cpu_thread_ns += row.u64("thread_ns");
        times += row.u64("times");
        HistogramReader reader(row.histogram(*row.schema().find("duration_histogram")));
        const HistogramForm form = reader.form();
        std::size_t slot = 0;
        for (std::uint64_t count = 0; reader.next(slot, count); in_histogram += count)
            if (form.upper_bound(slot) >= filter_ns) long_ones += count;
    };
    each_counted([&](const Row& row) {
        of_processor(row);
        if (row.schema().name != "interrupted" || row.u64("pid") != own_pid) return;
        receive_ns += row.u64("receive_ns");
        softirq_ns += row.u64("softirq_ns");
        interrupt_ns += row.u64("interrupt_ns");
    });
    const std::uint64_t waited_ns = clock.monotonic_ns() - began;
    // The packet is received before send() returns, on this processor; a handler can take a part of the filter's time.
    EXPECT_GE(cpu_receive_ns + handlers_ns, packets * filter_ns);
    EXPECT_GE(receive_ns + cpu_thread_ns + handlers_ns, packets * filter_ns);
    EXPECT_LE(softirq_ns + interrupt_ns, waited_ns);
    EXPECT_LE(receive_ns, softirq_ns);
    EXPECT_EQ(in_histogram, times) << "each run is in the histogram";
    EXPECT_GE(long_ones, 1u);
    // The tables are read one after the other: what came between is in the processor's next rows.
    each_counted(of_processor);
    EXPECT_LE(receive_ns, cpu_receive_ns);
    expect_no_loss();
}

// Each packet that loopback receives goes through the backlog of the processor that sent it.
TEST_F(InterruptKernel, packets_of_the_loopback_device_come_from_the_backlog) {
    const Pair pair;
    each_counted([](const Row&) {});
    pair.send(1000);
    std::uint64_t packets = 0;
    each_counted([&](const Row& row) {
        if (row.schema().name == "net_poll" && row.u64("cpu") == cpu_ && row.text("device").empty())
            packets += row.u64("packets");
    });
    EXPECT_GE(packets, 1000u);
    expect_no_loss();
}

}  // namespace
}  // namespace waggle::sensors
