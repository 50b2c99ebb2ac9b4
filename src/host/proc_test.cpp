// SPDX-License-Identifier: Apache-2.0
#include "host/proc.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "host/testing/trees.h"

namespace waggle::context {
namespace {

constexpr std::string_view rest = " S 41 7 7 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 12345 1000 50 0\n";

TEST(ProcStat, reads_the_fields_it_needs) {
    const auto stat = parse_stat("42 (cat)" + std::string(rest));
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->pid, 42u);
    EXPECT_EQ(stat->comm, "cat");
    EXPECT_EQ(stat->parent_pid, 41u);
    EXPECT_EQ(stat->start_ticks, 12345u);
}

TEST(ProcStat, reads_a_name_made_to_mislead) {
    for (const std::string name :
         {"a) S 1 1 1", "(((", ")))", ") (", "x\ny", " ", "", "a\x1b[31m", "\xff\xfe", "1 (b) S 2"}) {
        const auto stat = parse_stat("42 (" + name + ")" + std::string(rest));
        ASSERT_TRUE(stat) << name;
        EXPECT_EQ(stat->comm, name);
        EXPECT_EQ(stat->pid, 42u);
        EXPECT_EQ(stat->parent_pid, 41u);
        EXPECT_EQ(stat->start_ticks, 12345u);
    }
}

TEST(ProcStat, refuses_what_is_none) {
    const std::string whole = "42 (cat)" + std::string(rest);
    // Everything up to the start time is needed.
    for (std::size_t length = 0; length < whole.find("12345"); ++length)
        EXPECT_FALSE(parse_stat(whole.substr(0, length))) << length;
    EXPECT_FALSE(parse_stat("x (cat)" + std::string(rest)));
    EXPECT_FALSE(parse_stat("99999999999 (cat)" + std::string(rest)));
    EXPECT_FALSE(parse_stat("42 (cat) S x 7 7 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 12345 1 50 0\n"));
    EXPECT_FALSE(parse_stat(") (42"));
}

TEST(Proc, says_where_there_is_no_proc) {
    const auto proc = Proc::open("/nonexistent/proc");
    ASSERT_FALSE(proc);
    EXPECT_EQ(proc.error().message, "cannot open /nonexistent/proc: No such file or directory");
}

TEST(Proc, finds_this_process) {
    const auto proc = Proc::open("/proc");
    ASSERT_TRUE(proc);
    const auto pid = static_cast<std::uint32_t>(::getpid());
    const auto stat = proc->stat(pid);
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->parent_pid, static_cast<std::uint32_t>(::getppid()));
    EXPECT_TRUE(proc->exe(pid).ends_with(std::string("/") + program_invocation_short_name));
    EXPECT_NE(proc->cgroup(pid).find("0::/"), std::string::npos);
    bool seen = false;
    proc->each([&](std::uint32_t other) { seen |= other == pid; });
    EXPECT_TRUE(seen);
}

TEST(Proc, an_executable_that_was_removed_keeps_its_name) {
    const TestProc tree;
    tree.add({.pid = 42, .exe = "/opt/no/such/worker (deleted)"});
    const auto proc = Proc::open(tree.path());
    ASSERT_TRUE(proc);
    EXPECT_EQ(proc->exe(42), "/opt/no/such/worker");
}

TEST(Proc, an_executable_can_be_named_as_if_it_were_removed) {
    const TestProc tree;
    tree.write("worker (deleted)", "");
    tree.add({.pid = 42, .exe = tree.path() + "/worker (deleted)"});
    const auto proc = Proc::open(tree.path());
    ASSERT_TRUE(proc);
    EXPECT_EQ(proc->exe(42), tree.path() + "/worker (deleted)");
}

TEST(Proc, a_kernel_thread_has_no_executable) {
    const TestProc tree;
    tree.add({.pid = 2, .comm = "kthreadd", .exe = ""});
    const auto proc = Proc::open(tree.path());
    ASSERT_TRUE(proc);
    EXPECT_EQ(proc->exe(2), "");
    EXPECT_FALSE(proc->stat(3));
    EXPECT_EQ(proc->cgroup(3), "");
}

}  // namespace
}  // namespace waggle::context
