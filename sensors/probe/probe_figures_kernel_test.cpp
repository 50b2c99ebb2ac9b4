// SPDX-License-Identifier: Apache-2.0
// Texts, names, sums, patterns, structs and stacks: a known number of calls gives exactly these keys and figures.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "sensors/probe/testing/probing.h"

extern "C" {
__attribute__((noinline, visibility("default"))) long waggle_figured(long number, const char* text) {
    asm volatile("" : : "r"(number), "r"(text) : "memory");
    return number * 2;
}
__attribute__((noinline, visibility("default"))) long waggle_figured_too(long number) {
    asm volatile("" : : "r"(number) : "memory");
    return number + 1;
}
}

namespace waggle::sensors {
namespace {

using namespace probing;
using testing::HasSubstr;

constexpr const char* figured = "uprobe:/proc/self/exe:waggle_figured";

void figure(long times) {
    for (long i = 0; i < times; ++i) waggle_figured(i, "text");
}

void open_nowhere(const char* path, int times) {
    for (int i = 0; i < times; ++i) close(open(path, O_RDONLY | O_CLOEXEC));
}

TEST(ProbedFigures, texts_are_counted_by_and_asked_for_in_the_kernel) {
    ProbeRequest request = request_at("t:syscalls:sys_enter_openat");
    request.mode = ProbeRequest::Mode::counts;
    request.filter = "filename == \"/nowhere/*\" && filename != \"*.so\" || filename == '*else*'";
    request.by = {"filename", "flags"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    open_nowhere("/nowhere/a", 5);
    open_nowhere("/nowhere/b", 3);
    open_nowhere("/nowhere/c.so", 2);
    open_nowhere("/some/where/else/x", 4);
    open_nowhere("/some/where", 7);
    EXPECT_EQ(times_by_key(*probe), (Times{{"/nowhere/a, O_CLOEXEC", 5},
                                           {"/nowhere/b, O_CLOEXEC", 3},
                                           {"/some/where/else/x, O_CLOEXEC", 4}}));
    EXPECT_EQ(probe->hits(), 12u);
    EXPECT_EQ(lost(*probe), 0u);
}

TEST(ProbedFigures, an_event_has_its_texts_and_flags) {
    ProbeRequest request = request_at("t:syscalls:sys_enter_openat");
    request.filter = "filename == /nowhere/at/all";
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    close(open("/nowhere/at/all", O_WRONLY | O_APPEND | O_CLOEXEC));
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 1u);
    const ProbeWords words(*probe);
    EXPECT_EQ(words.text(events[0], *probe->fields().find("filename")), "/nowhere/at/all");
    EXPECT_EQ(words.text(events[0], *probe->fields().find("flags")), "O_WRONLY|O_APPEND|O_CLOEXEC");
}

TEST(ProbedFigures, errors_of_system_calls_are_counted_by_their_names) {
    ProbeRequest request = request_at("t:syscalls:sys_exit_openat");
    request.mode = ProbeRequest::Mode::counts;
    request.filter = "ret < 0 && ret != -EACCES";
    request.by = {"ret", "comm"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    open_nowhere("/nowhere/a", 6);
    open_nowhere("/dev/null/x", 2);
    char comm[16] = {};
    prctl(PR_GET_NAME, comm);
    EXPECT_EQ(times_by_key(*probe),
              (Times{{std::string("-ENOENT, ") + comm, 6}, {std::string("-ENOTDIR, ") + comm, 2}}));
}

TEST(ProbedFigures, a_program_s_pointer_is_a_text_where_that_is_said) {
    ProbeRequest request = request_at(figured);
    request.mode = ProbeRequest::Mode::counts;
    request.by = {"str(arg1)"};
    request.filter = "str(arg1) != \"two*\"";
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    // On the stack, or the page of a constant might never have been touched.
    const char one[] = "one", two[] = "two and more", nothing[] = "";
    for (int i = 0; i < 3; ++i) waggle_figured(i, one);
    for (int i = 0; i < 2; ++i) waggle_figured(i, two);
    waggle_figured(1, nothing);
    waggle_figured(1, reinterpret_cast<const char*>(8));  // nobody's memory: no comparison holds
    EXPECT_EQ(times_by_key(*probe), (Times{{"one", 3}, {"", 1}}));
}

TEST(ProbedFigures, memory_that_cannot_be_read_is_said_to_be_so) {
    ProbeRequest request = request_at(figured);
    request.mode = ProbeRequest::Mode::counts;
    request.by = {"str(arg1)"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    waggle_figured(1, reinterpret_cast<const char*>(8));
    EXPECT_EQ(times_by_key(*probe), (Times{{"(not readable)", 1}}));
}

TEST(ProbedFigures, sums_and_distributions_have_keys_too) {
    ProbeRequest request = request_at(figured);
    request.mode = ProbeRequest::Mode::sums;
    request.measured = "arg0";
    request.by = {"str(arg1)"};
    auto sums = ProbedPlace::start(request);
    ASSERT_TRUE(sums) << sums.error().message;
    request.mode = ProbeRequest::Mode::histogram;
    auto histograms = ProbedPlace::start(request);
    ASSERT_TRUE(histograms) << histograms.error().message;
    const char a[] = "a", b[] = "b";
    for (const long number : {100, 100, -30}) waggle_figured(number, a);
    waggle_figured(7, b);
    const auto said = counted(*sums);
    ASSERT_EQ(said.size(), 2u);
    EXPECT_EQ(said.at("a").sum, 170);
    EXPECT_EQ(said.at("a").times, 3u);
    EXPECT_EQ(said.at("b").sum, 7);
    std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> slots;
    const auto counts = histograms->counts();
    ASSERT_TRUE(counts) << counts.error().message;
    for (const ProbedPlace::Count& each : *counts) slots[{each.key.texts[0], each.key.slot}] = each.times;
    EXPECT_EQ((slots[{"a", waggle_hist_slot(100, 0, 64)}]), 2u);
    EXPECT_EQ((slots[{"b", waggle_hist_slot(7, 0, 64)}]), 1u);
}

TEST(ProbedFigures, a_pattern_stands_for_all_its_places_each_by_its_name) {
    ProbeRequest request = request_at("u:/proc/self/exe:waggle_figured*");
    request.mode = ProbeRequest::Mode::counts;
    request.by = {"probe"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    EXPECT_EQ(probe->places(), 2u);
    figure(4);
    for (int i = 0; i < 3; ++i) waggle_figured_too(i);
    EXPECT_EQ(times_by_key(*probe), (Times{{"uprobe:/proc/self/exe:waggle_figured", 4},
                                           {"uprobe:/proc/self/exe:waggle_figured_too", 3}}));
    EXPECT_THAT(ProbedPlace::start(request_at("u:/proc/self/exe:waggle_nothing*")).error().message,
                HasSubstr("there is no place here"));
}

TEST(ProbedFigures, returns_of_several_places_have_their_own_times) {
    ProbeRequest request = request_at("ur:/proc/self/exe:waggle_figured*");
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    figure(3);
    waggle_figured_too(1);
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 4u);
    EXPECT_EQ(events[2].returned, 4u);
    EXPECT_EQ(events[3].returned, 2u);
    EXPECT_NE(events[2].place, events[3].place);
    EXPECT_EQ(lost(*probe), 0u);
}

TEST(ProbedFigures, tracepoints_by_a_pattern_have_what_they_all_have) {
    ProbeRequest request = request_at("t:syscalls:sys_enter_getpg*");
    request.mode = ProbeRequest::Mode::counts;
    request.by = {"probe", "__syscall_nr"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    EXPECT_EQ(probe->fields().find("pid")->figure.source, PROBE_PID) << "getpgid's own pid is not getpgrp's";
    for (int i = 0; i < 5; ++i) syscall(SYS_getpgid, 0);
    for (int i = 0; i < 2; ++i) syscall(SYS_getpgrp);
    EXPECT_EQ(times_by_key(*probe), (Times{{"tracepoint:syscalls:sys_enter_getpgid, getpgid", 5},
                                           {"tracepoint:syscalls:sys_enter_getpgrp, getpgrp", 2}}));
}

// Nobody traces this process, so nothing stands behind ptracer_cred.
TEST(ProbedFigures, what_cannot_be_read_is_no_zero) {
    const std::string nowhere = "parent->ptracer_cred->usage.counter";
    const auto after_a_fork = [](const ProbeRequest& request) {
        auto probe = ProbedPlace::start(request);
        EXPECT_TRUE(probe) << probe.error().message;
        const pid_t child = fork();
        if (child == 0) _exit(0);
        waitpid(child, nullptr, 0);
        return probe;
    };
    ProbeRequest request = request_at("raw_tp:sched_process_fork");
    request.shown = {nowhere, "parent->tgid"};
    auto shown = after_a_fork(request);
    ASSERT_TRUE(shown);
    const std::vector<probe_event> events = drained(*shown);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(figure_of(events[0], *shown->fields().find(nowhere)), std::nullopt);
    EXPECT_EQ(figure_of(events[0], *shown->fields().find("parent->tgid")),
              static_cast<std::uint64_t>(getpid()));
    for (const char* comparison : {" == 0", " != 0", " < 1", " >= 0"}) {
        request.filter = nowhere + comparison;
        auto filtered = after_a_fork(request);
        ASSERT_TRUE(filtered);
        EXPECT_EQ(drained(*filtered).size(), 0u) << request.filter;
    }
    request.filter.clear();
    request.shown.clear();
    for (const auto mode : {ProbeRequest::Mode::sums, ProbeRequest::Mode::histogram}) {
        request.mode = mode;
        request.measured = nowhere;
        auto measured = after_a_fork(request);
        ASSERT_TRUE(measured);
        EXPECT_EQ(lost(*measured), 1u);
        EXPECT_EQ(times_by_key(*measured), Times{});
    }
}

TEST(ProbedFigures, the_kernel_s_structs_are_followed) {
    ProbeRequest request = request_at("raw_tp:sched_process_fork");
    request.shown = {"child->tgid", "child->real_parent->comm", "child->signal->nr_threads"};
    request.filter = "parent->comm != nobody && child->signal->nr_threads == 1";
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    const pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_EQ(events.size(), 1u);
    const ProbeWords words(*probe);
    char comm[16] = {};
    prctl(PR_GET_NAME, comm);
    const ProbeFields& fields = probe->fields();
    EXPECT_EQ(figure_of(events[0], *fields.find("child->tgid")), static_cast<std::uint64_t>(child));
    EXPECT_EQ(words.text(events[0], *fields.find("child->real_parent->comm")), comm);
    EXPECT_EQ(figure_of(events[0], *fields.find("child->signal->nr_threads")), 1u);
    request.shown = {"child->tgip"};
    EXPECT_THAT(ProbedPlace::start(request).error().message,
                HasSubstr("has no member tgip; did you mean tgid"));
    request.shown = {"child->se"};
    EXPECT_THAT(ProbedPlace::start(request).error().message, HasSubstr("no figure; it has load"));
}

TEST(ProbedFigures, the_address_of_a_socket_is_said_as_text) {
    ProbeRequest request = request_at("t:syscalls:sys_enter_connect");
    request.mode = ProbeRequest::Mode::counts;
    request.by = {"uservaddr"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    const auto connect_to = [](int family, const void* address, socklen_t length) {
        const int fd = socket(family, SOCK_DGRAM, 0);
        const int result = connect(fd, static_cast<const sockaddr*>(address), length);
        close(fd);
        return result;  // of no matter: that it was asked for is what is counted
    };
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(9);
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(53);
    v6.sin6_addr = in6addr_loopback;
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::strcpy(path.sun_path, "/nowhere/socket");
    for (int i = 0; i < 3; ++i) connect_to(AF_INET, &v4, sizeof v4);
    for (int i = 0; i < 2; ++i) connect_to(AF_INET6, &v6, sizeof v6);
    connect_to(AF_UNIX, &path, sizeof path);
    // Behind its last byte there is no memory.
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    char* const two = static_cast<char*>(
        mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    munmap(two + page, page);
    std::memcpy(two + page - sizeof v4, &v4, sizeof v4);
    connect_to(AF_INET, two + page - sizeof v4, sizeof v4);
    munmap(two, page);
    EXPECT_EQ(times_by_key(*probe), (Times{{"127.0.0.1:9", 4}, {"[::1]:53", 2}, {"/nowhere/socket", 1}}));
}

TEST(ProbedFigures, one_stack_of_several_processes_is_one) {
    ProbeRequest request = request_at(figured);
    request.start.filters.clear();
    request.filter = "arg0 == 77777";  // of this test's processes alone
    request.mode = ProbeRequest::Mode::counts;
    request.user_stack = true;
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    for (int process = 0; process < 3; ++process) {
        const pid_t child = fork();
        if (child == 0) {
            for (int i = 0; i < 4; ++i) waggle_figured(77777, "");
            _exit(0);
        }
        waitpid(child, nullptr, 0);
    }
    const Times said = times_by_key(*probe);
    ASSERT_EQ(said.size(), 1u) << said.begin()->first << "\n" << said.rbegin()->first;
    EXPECT_EQ(said.begin()->second, 12u);
    EXPECT_THAT(said.begin()->first, testing::StartsWith("waggle_figured+0x0 ["));
    EXPECT_EQ(lost(*probe), 0u);
}

TEST(ProbedFigures, a_walk_shows_what_there_is) {
    ProbeRequest request = request_at("iter:task");
    request.shown = {"task->comm", "task->real_parent->tgid"};
    auto probe = ProbedPlace::start(request);
    ASSERT_TRUE(probe) << probe.error().message;
    const auto walked = probe->walk();
    ASSERT_TRUE(walked) << walked.error().message;
    const std::vector<probe_event> events = drained(*probe);
    ASSERT_GE(events.size(), 1u);
    const auto own = std::ranges::find_if(events, [](const probe_event& event) {
        return event.header.tid == static_cast<std::uint32_t>(gettid());
    });
    ASSERT_NE(own, events.end());
    for (const probe_event& event : events) EXPECT_EQ(event.header.pid, static_cast<std::uint32_t>(getpid()));
    char comm[16] = {};
    prctl(PR_GET_NAME, comm);
    EXPECT_STREQ(own->header.comm, comm);
    EXPECT_EQ(ProbeWords(*probe).text(*own, *probe->fields().find("task->comm")), comm);
    EXPECT_EQ(figure_of(*own, *probe->fields().find("task->real_parent->tgid")),
              static_cast<std::uint64_t>(getppid()));
}

TEST(ProbedFigures, what_it_cost_is_counted) {
    auto probe = ProbedPlace::start(request_at(figured));
    ASSERT_TRUE(probe) << probe.error().message;
    figure(100);
    EXPECT_GE(probe->cost().runs, 100u);
    EXPECT_GT(probe->cost().ns, 0u);
}

}  // namespace
}  // namespace waggle::sensors
