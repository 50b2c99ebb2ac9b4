// SPDX-License-Identifier: Apache-2.0
// The line from a kernel hook through the ring into a table at full rate: nothing lost, or every loss
// counted. The events are renames of this process's own thread, each carrying its number, so that every one
// of them is accounted for by itself.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "model/table.h"
#include "sensing/testing/rows.h"
#include "sensors/skeleton/skeleton.h"
#include "waggle/owned_fd.h"

namespace waggle {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using SteadyClock = std::chrono::steady_clock;

constexpr std::uint64_t promised_rate = 200'000;  // events a second

// Reads as the agent does: all there is, then a pause of 10 ms while records keep coming, else a wait for the
// wake-up.
class Reader {
  public:
    explicit Reader(Running& sensor) : sensor_(sensor), table_(*sensor.schemas()[0], 4u << 20) {
        number_ = table_.schema().find("new_comm");
        epoll_ = OwnedFd(epoll_create1(EPOLL_CLOEXEC));
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, sensor.ready_fd(), &event);
        thread_ = std::thread([this] { run(); });
    }
    ~Reader() { finish(); }

    // Returns when the reader has stopped reading.
    void stop_reading() {
        wanted_.store(Wanted::idle);
        while (!idle_.load()) std::this_thread::sleep_for(milliseconds(1));
    }
    void read_on() { wanted_.store(Wanted::reading); }
    // Reads what is left and ends. The figures below are valid from then on.
    void finish() {
        if (!thread_.joinable()) return;
        wanted_.store(Wanted::end);
        thread_.join();
        drain();
    }

    std::uint64_t received() const { return table_.appended(); }
    std::uint64_t missing() const { return missing_; }  // numbers that were skipped before one that came
    std::uint64_t last() const { return last_; }
    std::uint64_t out_of_order() const { return out_of_order_; }

  private:
    enum class Wanted { reading, idle, end };

    bool drain() {
        bool any = false;
        sensor_.drain([&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_.read(record);
                if (!row) continue;  // then it is missing from the table, and the sum is wrong
                const std::string_view text = row->text(*number_);
                std::uint64_t number = 0;
                std::from_chars(text.data(), text.data() + text.size(), number);
                if (number <= last_)
                    ++out_of_order_;
                else
                    missing_ += number - last_ - 1;
                last_ = number;
                table_.append(*row);
            }
            any = true;
        });
        return any;
    }
    void run() {
        for (Wanted wanted = wanted_.load(); wanted != Wanted::end; wanted = wanted_.load()) {
            idle_.store(wanted == Wanted::idle);
            if (wanted == Wanted::idle) {
                std::this_thread::sleep_for(milliseconds(1));
            } else if (drain()) {
                std::this_thread::sleep_for(milliseconds(10));
            } else if (sensor_.prepare_to_wait()) {
                epoll_event event{};
                epoll_wait(epoll_.get(), &event, 1, 100);
            }
        }
    }

    Running& sensor_;
    Table table_;
    const Field* number_;
    OwnedFd epoll_;
    std::uint64_t missing_ = 0, last_ = 0, out_of_order_ = 0;
    std::atomic<Wanted> wanted_{Wanted::reading};
    std::atomic<bool> idle_{false};
    std::thread thread_;
};

// Renames this thread to 1, 2, 3, …: one event each.
class Sender {
  public:
    std::uint64_t sent() const { return sent_; }

    // Sends at `rate` for `time`, and what was held up by others is caught up. Returns the rate that was
    // reached.
    double send(std::uint64_t rate, nanoseconds time) {
        const auto wanted = static_cast<std::uint64_t>(static_cast<double>(rate) * seconds_of(time));
        const auto begin = SteadyClock::now();
        for (std::uint64_t done = 0; done < wanted;) {
            const double due = static_cast<double>(rate) * seconds_of(SteadyClock::now() - begin);
            for (; done < wanted && static_cast<double>(done) < due; ++done) send_one();
            const timespec nap{0, 200'000};
            nanosleep(&nap, nullptr);
        }
        return static_cast<double>(wanted) / seconds_of(SteadyClock::now() - begin);
    }
    // The most this machine can send, by trying for a moment.
    double fastest() {
        constexpr int tries = 5'000;
        const auto begin = SteadyClock::now();
        for (int i = 0; i < tries; ++i) send_one();
        return tries / seconds_of(SteadyClock::now() - begin);
    }

  private:
    static double seconds_of(nanoseconds time) { return std::chrono::duration<double>(time).count(); }
    void send_one() {
        char name[16] = {};
        std::to_chars(name, name + sizeof name - 1, ++sent_);
        prctl(PR_SET_NAME, name);
    }

    std::uint64_t sent_ = 0;
};

struct Rate {
    std::uint64_t sent;  // events a second, asked of the sender
    double kept;         // what the test counts as that rate
};

#ifdef WAGGLE_SANITIZED
constexpr bool instrumented = true;
#else
constexpr bool instrumented = false;
#endif

// A machine keeps the promised rate. A VM under software emulation is a twentieth of one, and is asked for a
// third of what it can send; so is a build that checks every access to memory.
Rate rate_for(Sender& sender) {
    if (!std::getenv("WAGGLE_VM") && !instrumented) return {promised_rate * 21 / 20, promised_rate};
    // What checks every access reads a tenth as fast as what does not.
    const double most = instrumented ? promised_rate / 10.0 : promised_rate;
    const double sent = std::min(most, sender.fastest() / 3);
    return {static_cast<std::uint64_t>(sent), sent / 2};
}

class RingKernel : public testing::Test {
  protected:
    void start(std::uint32_t ring_bytes) {
        StartOptions options;
        options.mode = Mode::events;
        options.filters = {{"pid", static_cast<std::uint32_t>(::getpid())}};
        options.ring_bytes = ring_bytes;
        auto started = sensors::skeleton_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }
    std::uint64_t counted_lost() const { return sensors::all_lost(*sensor_); }

    Names names_;
    std::unique_ptr<Running> sensor_;
};

TEST_F(RingKernel, loses_no_event_at_200000_a_second) {
    start(8u << 20);  // as `waggle trace` asks for
    Reader reader(*sensor_);
    Sender sender;
    const Rate rate = rate_for(sender);
    const double reached = sender.send(rate.sent, seconds(3));
    reader.finish();
    std::printf("%.0f events/s sent, %llu received, %llu lost\n", reached,
                static_cast<unsigned long long>(reader.received()),
                static_cast<unsigned long long>(counted_lost()));
    EXPECT_GE(reached, rate.kept);
    EXPECT_EQ(reader.received(), sender.sent());
    EXPECT_EQ(reader.last(), sender.sent());
    EXPECT_EQ(reader.missing(), 0u);
    EXPECT_EQ(reader.out_of_order(), 0u);
    EXPECT_EQ(counted_lost(), 0u);
}

TEST_F(RingKernel, counts_every_event_lost_while_the_reader_stands_still_for_a_second) {
    start(64u << 10);
    Reader reader(*sensor_);
    Sender sender;
    const Rate rate = rate_for(sender);
    sender.send(rate.sent, milliseconds(200));
    reader.stop_reading();
    const double reached = sender.send(rate.sent, seconds(1));
    reader.read_on();
    sender.send(rate.sent, milliseconds(200));
    reader.finish();
    const std::uint64_t lost = counted_lost();
    std::printf(
        "%.0f events/s sent to a reader that stood still, %llu sent in all, %llu received, %llu lost\n",
        reached, static_cast<unsigned long long>(sender.sent()),
        static_cast<unsigned long long>(reader.received()), static_cast<unsigned long long>(lost));
    EXPECT_GE(reached, rate.kept);
    EXPECT_GT(lost, rate.sent / 4);  // the ring holds a small part of a second
    EXPECT_EQ(sender.sent(), reader.received() + lost);
    EXPECT_EQ(reader.missing() + (sender.sent() - reader.last()), lost);
    EXPECT_EQ(reader.out_of_order(), 0u);
}

}  // namespace
}  // namespace waggle
