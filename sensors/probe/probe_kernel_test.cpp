// SPDX-License-Identifier: Apache-2.0
// A known number of calls at each kind of place gives that number of events, counts and values.
#include "sensors/probe/probed_place.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "sensors/probe/testing/probing.h"

extern "C" {
__attribute__((noinline, visibility("default"))) long waggle_probed(long number, const char* text) {
    asm volatile("" : : "r"(number), "r"(text) : "memory");
    return number * 2;
}
}

namespace waggle::sensors {
namespace {

using testing::HasSubstr;

using namespace probing;

void call(long times) {
    for (long i = 0; i < times; ++i) waggle_probed(i, "text");
}

constexpr const char* own_function = "uprobe:/proc/self/exe:waggle_probed";
constexpr const char* own_return = "uretprobe:/proc/self/exe:waggle_probed";

bool has_kprobes() { return ProbedPlace::start(request_at("kprobe:__x64_sys_getpgid")).operator bool(); }

TEST(ProbedPlace, every_call_of_a_function_is_an_event_with_its_arguments) {
    auto probe = ProbedPlace::start(request_at(own_function));
    ASSERT_TRUE(probe) << probe.error().message;
    call(1000);
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 1000u);
    for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(events[i].arguments[0], i);
    EXPECT_EQ(events[0].header.pid, static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(probe->hits(), 1000u);
    EXPECT_EQ(lost(*probe), 0u);
}

TEST(ProbedPlace, the_filter_is_asked_in_the_kernel) {
    ProbeRequest request = request_at(own_function);
    request.filter = "arg0 >= 250 && arg0 < 260";
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    call(1000);
    EXPECT_EQ(drained(*probe).size(), 10u);
    EXPECT_EQ(probe->hits(), 10u);
}

TEST(ProbedPlace, counts_are_exact_by_field) {
    ProbeRequest request = request_at(own_function);
    request.mode = ProbeRequest::Mode::counts;
    request.by = {"arg0"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    call(3);
    call(2);
    call(1);
    const auto counts = probe->counts();
    ASSERT_TRUE(counts) << counts.error().message;
    ASSERT_EQ(counts->size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_EQ((*counts)[i].key.values[0], i);
        EXPECT_EQ((*counts)[i].times, 3 - i);
    }
}

TEST(ProbedPlace, what_a_function_returns_makes_a_histogram) {
    ProbeRequest request = request_at(own_return);
    request.mode = ProbeRequest::Mode::histogram;
    request.measured = "return";
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    for (int i = 0; i < 20; ++i) waggle_probed(50, "");  // returns 100: between 64 and 128, in steps of 4
    waggle_probed(-1, "");
    const auto slots = probe->histogram();
    ASSERT_TRUE(slots) << slots.error().message;
    EXPECT_EQ((*slots)[waggle_hist_slot(100, 0, 64)], 20u);
    EXPECT_EQ(slots->back(), 1u) << "negative values stand apart";
    EXPECT_EQ(std::accumulate(slots->begin(), slots->end(), std::uint64_t{0}), 21u);
}

TEST(ProbedPlace, the_time_between_entry_and_return_is_measured) {
    auto probe = ProbedPlace::start(request_at(own_return));
    ASSERT_TRUE(probe) << probe.error().message;
    call(50);
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 50u);
    for (const probe_event& event : events) {
        EXPECT_GT(event.latency_ns, 0u);
        EXPECT_LT(event.latency_ns, 1'000'000'000u);
    }
    EXPECT_EQ(events[7].returned, 14u);
}

TEST(ProbedPlace, a_raw_tracepoint_has_the_arguments_that_the_kernel_names) {
    auto probe = ProbedPlace::start(request_at("raw_tp:sched_process_fork"));
    ASSERT_TRUE(probe) << probe.error().message;
    EXPECT_NE(probe->fields().find("child"), nullptr);
    for (int i = 0; i < 5; ++i) {
        const pid_t child = fork();
        if (child == 0) _exit(0);
        waitpid(child, nullptr, 0);
    }
    EXPECT_EQ(drained(*probe).size(), 5u);
}

TEST(ProbedPlace, a_tracepoint_has_the_fields_of_its_record_mounted_or_not) {
    auto probe = ProbedPlace::start(request_at("tracepoint:sched:sched_process_fork"));
    ASSERT_TRUE(probe) << probe.error().message;
    const ProbeField* field = probe->fields().find("child_pid");
    ASSERT_NE(field, nullptr);
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 1u);
    pid_t seen = 0;
    std::memcpy(&seen, events[0].context + field->figure.at, sizeof seen);
    EXPECT_EQ(seen, child);
    std::uint32_t text_at = 0;
    const ProbeField* parent = probe->fields().find("parent_comm");
    ASSERT_NE(parent, nullptr);
    EXPECT_EQ(parent->shape, ProbeField::Shape::text);
    const unsigned char* from = events[0].context + parent->figure.at;
    if (parent->type.starts_with("__data_loc")) {  // a fixed array on older kernels
        std::memcpy(&text_at, from, sizeof text_at);
        from = events[0].context + (text_at & 0xffff);
        ASSERT_LT((text_at & 0xffff) + (text_at >> 16), events[0].context_bytes);
    }
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(from)), events[0].header.comm);
    EXPECT_THAT(ProbedPlace::start(request_at("tracepoint:sched:sched_process_frok")).error().message,
                HasSubstr("did you mean sched_process_fork"));
}

TEST(ProbedPlace, a_stack_goes_with_the_event) {
    ProbeRequest request = request_at("raw_tp:sched_process_fork");
    request.kernel_stack = true;
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_GE(probe->stack(events[0].kernel_stack).size(), 2u);
}

TEST(ProbedPlace, kernel_functions_where_the_kernel_has_the_hooks_and_the_reason_where_not) {
    constexpr const char* function = "__x64_sys_getpgid";
    if (!has_kprobes()) {
        const auto refused = ProbedPlace::start(request_at(std::string("kprobe:") + function));
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().message, HasSubstr("CONFIG_KPROBES"));
        return;
    }
    for (const char* kind : {"kprobe", "kretprobe", "fentry", "fexit", "kprobe.multi"}) {
        auto probe = ProbedPlace::start(request_at(std::string(kind) + ":" + function));
        if (!probe && std::string_view(kind) == "kprobe.multi") {  // since 5.18, and where it was built in
            EXPECT_THAT(probe.error().message, HasSubstr("CONFIG_FPROBE"));
            continue;
        }
        ASSERT_TRUE(probe) << kind << ": " << probe.error().message;
        for (int i = 0; i < 100; ++i) syscall(SYS_getpgid, 0);
        const std::vector<probe_event> events = drained(*probe);
        ASSERT_EQ(events.size(), 100u) << kind;
        if (probe->fields().returns) {
            EXPECT_EQ(events[0].returned, static_cast<std::uint64_t>(getpgid(0))) << kind;
            EXPECT_GT(events[0].latency_ns, 0u) << kind;
        }
        EXPECT_EQ(lost(*probe), 0u) << kind;
    }
    // A text is read while it is there, the process's own as well as the kernel's.
    auto probe = ProbedPlace::start(request_at("kprobe:do_sys_openat2"));
    ASSERT_TRUE(probe) << probe.error().message;
    const ProbeField* name = probe->fields().find("filename");
    ASSERT_NE(name, nullptr);
    EXPECT_EQ(name->shape, ProbeField::Shape::text);
    close(open("/nowhere/at/all", O_RDONLY));
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_STREQ(events[0].texts[0], "/nowhere/at/all");
}

TEST(ProbedPlace, a_wrong_field_and_an_unfit_kind_are_refused_before_anything_is_loaded) {
    ProbeRequest request = request_at("raw_tp:sched_process_fork");
    request.filter = "chidl > 1";
    EXPECT_THAT(ProbedPlace::start(request).error().message, HasSubstr("did you mean child"));
    EXPECT_THAT(ProbedPlace::start(request_at("xdp:lo")).error().message, HasSubstr("no program for xdp"));
}

}  // namespace
}  // namespace waggle::sensors
