// SPDX-License-Identifier: Apache-2.0
// The reader is held up by nobody: records come from a real ring at 200,000 a second while a query of five
// seconds is asked, every one of them reaches its table, and none waits long in the ring.
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "agent/session.h"
#include "sensors/skeleton/skeleton.h"
#include "tests/testing/time.h"

namespace waggle {
namespace {

using test::millisecond_ns;
using test::second_ns;
using test::system_clock;
#ifdef WAGGLE_SANITIZED  // which makes every row ten times as expensive
constexpr std::uint64_t wanted_per_second = 20'000;
constexpr std::uint64_t most_delay_ns = 500 * millisecond_ns;
#else
constexpr std::uint64_t wanted_per_second = 200'000;
constexpr std::uint64_t most_delay_ns = 20 * millisecond_ns;
#endif

// Names its thread again, as often as the time that has passed asks for; each time is one record.
std::uint64_t rename_until(std::uint64_t until_ns) {
    const std::uint64_t began_ns = system_clock.monotonic_ns();
    std::uint64_t made = 0;
    for (std::uint64_t now = began_ns; now < until_ns; now = system_clock.monotonic_ns()) {
        const std::uint64_t due = (now - began_ns) / 1'000 * wanted_per_second / 1'000'000;
        for (; made < due && ((made & 63) != 0 || system_clock.monotonic_ns() < until_ns); ++made)
            ::prctl(PR_SET_NAME, (made & 1) != 0 ? "reader_even" : "reader_odd");
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    return made;
}

TEST(Reader, loses_nothing_and_is_not_delayed_while_a_query_of_five_seconds_is_asked) {
    const bool emulated = std::getenv("WAGGLE_VM") != nullptr;
    agent::SessionOptions options;
    options.sensors = {"process"};
    options.start.mode = Mode::events;
    options.start.filters = {{"pid", static_cast<std::uint32_t>(::getpid())}};
    options.start.ring_bytes = 16u << 20;
    options.memory_bytes = std::size_t{4} << 30;
    const Source* const own[] = {&sensors::skeleton_source};
    Result<std::unique_ptr<agent::Session>> started = agent::Session::start(options, system_clock, own);
    ASSERT_TRUE(started) << started.error().message;
    agent::Session& session = **started;
    session.store().sql().limit_time(std::chrono::seconds(5));

    std::vector<std::uint64_t> waited_ns;  // of each record, from the event to the reader
    waited_ns.reserve(4'000'000);
    std::uint64_t asked_ns = 0;
    std::atomic<std::uint64_t> made{0};
    agent::Callbacks callbacks;
    callbacks.rows = [&](std::span<const Row> rows) {
        const std::uint64_t now = system_clock.monotonic_ns();
        for (const Row& row : rows)
            if (row.schema().name == "skeleton") waited_ns.push_back(now - row.header().time_ns);
    };
    callbacks.second = [&] {
        if (asked_ns != 0) return;
        session.store().begin_moment(session.window(), 0);
        const std::uint64_t began_ns = system_clock.monotonic_ns();
        // A cross join that no time suffices for: it is ended after five seconds.
        const auto result =
            session.store().sql().query("SELECT count(*) FROM skeleton a, skeleton b, skeleton c");
        asked_ns = system_clock.monotonic_ns() - began_ns;
        EXPECT_FALSE(result);
    };
    const std::uint64_t until_ns = system_clock.monotonic_ns() + 8 * second_ns;
    std::thread renamer([&] { made = rename_until(until_ns); });
    const std::atomic<bool> stop{false};
    session.run(until_ns + (emulated ? 5 * second_ns : second_ns / 2), stop, callbacks);
    renamer.join();

    EXPECT_GE(asked_ns, 5 * second_ns);
    const auto coverage = session.coverage();
    const auto skeleton = std::ranges::find(coverage, "skeleton", &explain::SensorCoverage::sensor);
    ASSERT_NE(skeleton, coverage.end());
    std::uint64_t lost = 0;
    for (const Loss& loss : skeleton->lost) lost += loss.count;
    EXPECT_EQ(lost, 0u);
    EXPECT_EQ(skeleton->seen, made);
    EXPECT_EQ(waited_ns.size(), made);
    EXPECT_EQ(session.store().table("skeleton")->row_count(), made);

    ASSERT_FALSE(waited_ns.empty());
    const auto p99 = waited_ns.begin() + static_cast<std::ptrdiff_t>(waited_ns.size() * 99 / 100);
    std::ranges::nth_element(waited_ns, p99);
    const double rate = static_cast<double>(made) / 8;
    RecordProperty("records_per_second", std::to_string(rate));
    RecordProperty("p99_delay_us", std::to_string(*p99 / 1'000));
    if (emulated) return;  // the figures below are of a real machine
    EXPECT_GE(rate, 0.95 * static_cast<double>(wanted_per_second));
    EXPECT_LT(*p99, most_delay_ns);
}

}  // namespace
}  // namespace waggle
