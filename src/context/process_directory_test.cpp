// SPDX-License-Identifier: Apache-2.0
#include "context/process_directory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <thread>

#include "host/testing/trees.h"
#include "model/record_writer.h"

namespace waggle::context {
namespace {

constexpr std::uint64_t tick_ns = 10'000'000;

// The rows that the sensor `process` gives, as far as the directory reads them. The directory knows schemas
// by their names alone, so the test needs nothing of the room.
struct LifeRecord {
    waggle_event header;
    __u64 parent_start_ns;
    waggle_text exe;
    __u32 parent_pid;
    __u32 reserved;
};
constexpr Field life_fields[] = {
    WAGGLE_HEADER_FIELDS(LifeRecord),
    WAGGLE_FIELD(LifeRecord, exe, Unit::none, "The program."),
    WAGGLE_FIELD(LifeRecord, parent_pid, Unit::identifier, "The parent."),
    WAGGLE_FIELD(LifeRecord, parent_start_ns, Unit::nanoseconds, "When the parent began."),
};
constexpr Schema exec_schema = {"process_exec", "", sizeof(LifeRecord), life_fields, true};
constexpr Schema fork_schema = {"process_fork", "", sizeof(LifeRecord), life_fields, true};
constexpr Schema exit_schema = {"process_exit", "", sizeof(LifeRecord), life_fields, true};
constexpr Schema other_schema = {"block_io", "", sizeof(LifeRecord), life_fields, true};

struct Who {
    std::uint32_t pid;
    std::uint64_t start_ns;
    std::uint64_t cgroup_id = 0;
};

std::optional<Subject> find(const ProcessDirectory& directory, const Who& who) {
    std::optional<Subject> found;
    directory.with(who.pid, who.start_ns, who.cgroup_id, [&](const Subject& subject) { found = subject; });
    return found;
}

class Directory : public testing::Test {
  protected:
    void open() {
        auto opened = ProcessDirectory::open({.proc = proc.path(), .cgroup = cgroups.path()}, clock);
        ASSERT_TRUE(opened) << opened.error().message;
        directory = std::make_unique<ProcessDirectory>(std::move(*opened));
    }
    void learn(const Schema& schema, const Who& who, const Who& parent, std::string_view comm = "child",
               std::string_view exe = "") {
        RecordWriter<LifeRecord> record;
        record.fixed.header.pid = who.pid;
        record.fixed.header.start_ns = who.start_ns;
        record.fixed.header.cgroup_id = who.cgroup_id;
        std::memcpy(record.fixed.header.comm, comm.data(), comm.size());
        record.fixed.parent_pid = parent.pid;
        record.fixed.parent_start_ns = parent.start_ns;
        record.text(&LifeRecord::exe, exe);
        directory->learn(Row(schema, record.finish()));
    }
    Subject subject(const Who& who) const {
        const std::optional<Subject> found = find(*directory, who);
        EXPECT_TRUE(found) << who.pid;
        return found.value_or(Subject{});
    }
    bool knows(const Who& who) const { return find(*directory, who).has_value(); }

    TestProc proc;
    TestCgroups cgroups;
    TestClock clock;
    std::unique_ptr<ProcessDirectory> directory;
};

TEST_F(Directory, knows_who_ran_before_it_was_opened) {
    proc.add({.pid = 42,
              .comm = "nginx",
              .parent_pid = 1,
              .start_ticks = 77,
              .exe = "/usr/sbin/nginx",
              .cgroup = "0::/system.slice/nginx.service\n"});
    open();
    proc.remove(42);
    const Subject found = subject({42, 77 * tick_ns + 1234});
    EXPECT_EQ(found.comm, "nginx");
    EXPECT_EQ(found.exe, "/usr/sbin/nginx");
    EXPECT_EQ(found.unit, "nginx.service");
    EXPECT_EQ(found.parent_pid, 1u);
    EXPECT_EQ(found.start_ns, 77 * tick_ns + 1234);
}

TEST_F(Directory, looks_up_who_came_unseen) {
    open();
    proc.add({.pid = 43, .comm = "late", .start_ticks = 80});
    EXPECT_EQ(subject({43, 80 * tick_ns + 5}).comm, "late");
    EXPECT_FALSE(knows({44, 80 * tick_ns + 5}));
}

TEST_F(Directory, a_reused_pid_never_yields_its_forerunner) {
    proc.add({.pid = 42, .comm = "old", .start_ticks = 77});
    open();
    proc.add({.pid = 42, .comm = "new", .start_ticks = 90});
    EXPECT_EQ(subject({42, 90 * tick_ns + 1}).comm, "new");
    EXPECT_EQ(subject({42, 77 * tick_ns + 1}).comm, "old");
    EXPECT_FALSE(knows({42, 78 * tick_ns}));
    EXPECT_FALSE(knows({42, 91 * tick_ns}));
}

TEST_F(Directory, two_processes_of_one_pid_and_one_tick_are_told_apart) {
    open();
    learn(exec_schema, {42, 77 * tick_ns + 1}, {1, 1}, "first", "/bin/first");
    EXPECT_FALSE(knows({42, 77 * tick_ns + 2}));
    learn(exec_schema, {42, 77 * tick_ns + 2}, {1, 1}, "second", "/bin/second");
    EXPECT_EQ(subject({42, 77 * tick_ns + 2}).comm, "second");
    EXPECT_FALSE(knows({42, 77 * tick_ns + 1}));
}

TEST_F(Directory, start_0_means_whoever_has_the_pid_now) {
    proc.add({.pid = 42, .comm = "old", .start_ticks = 77});
    open();
    EXPECT_EQ(subject({42, 0}).comm, "old");
    proc.add({.pid = 42, .comm = "new", .start_ticks = 90});
    EXPECT_EQ(subject({42, 0}).comm, "new");
    proc.remove(42);
    EXPECT_EQ(subject({42, 0}).comm, "new");
    EXPECT_FALSE(knows({43, 0}));
    EXPECT_FALSE(knows({0, 0}));
}

TEST_F(Directory, a_process_that_lived_a_millisecond_has_its_subject) {
    proc.add({.pid = 42,
              .comm = "runner",
              .start_ticks = 77,
              .exe = "/opt/runner",
              .cgroup = "0::/system.slice/ci.service\n"});
    open();
    const Who parent{42, 77 * tick_ns + 3};
    const Who child{43, 90 * tick_ns + 9};
    learn(fork_schema, child, parent, "runner");
    EXPECT_EQ(subject(child).exe, "/opt/runner");
    learn(exec_schema, child, parent, "true", "/bin/true");
    learn(exit_schema, child, parent, "true");
    const Subject found = subject(child);
    EXPECT_EQ(found.comm, "true");
    EXPECT_EQ(found.exe, "/bin/true");
    EXPECT_EQ(found.unit, "ci.service");
    EXPECT_EQ(found.parent_pid, 42u);
}

TEST_F(Directory, a_child_inherits_through_generations_that_are_gone) {
    proc.add(
        {.pid = 42,
         .start_ticks = 77,
         .cgroup =
             "1:name=systemd:/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"});
    open();
    Who parent{42, 77 * tick_ns + 3};
    for (std::uint32_t pid = 100; pid < 110; ++pid) {
        const Who child{pid, pid * tick_ns + 1};
        learn(fork_schema, child, parent);
        learn(exit_schema, parent, {1, 1});
        parent = child;
    }
    EXPECT_EQ(subject(parent).container, "0123456789ab");
    EXPECT_EQ(subject(parent).runtime, "docker");
}

TEST_F(Directory, an_unseen_parent_is_asked_for_what_its_child_inherits) {
    open();
    proc.add({.pid = 42, .start_ticks = 77, .cgroup = "0::/system.slice/ci.service\n"});
    learn(exec_schema, {43, 90 * tick_ns + 1}, {42, 77 * tick_ns + 3}, "x", "/bin/x");
    EXPECT_EQ(subject({43, 90 * tick_ns + 1}).unit, "ci.service");
}

TEST_F(Directory, an_exec_in_another_cgroup_moves_the_process) {
    const std::uint64_t from = cgroups.make("/system.slice/docker.service");
    const std::uint64_t to = cgroups.make(
        "/system.slice/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope");
    open();
    const Who child{43, 90 * tick_ns + 1, from};
    learn(fork_schema, child, {1, 1});
    EXPECT_EQ(subject(child).unit, "docker.service");
    learn(exec_schema, {43, child.start_ns, to}, {1, 1}, "app", "/app");
    EXPECT_EQ(subject({43, child.start_ns, to}).container, "0123456789ab");
    EXPECT_EQ(subject({43, child.start_ns, to}).unit, "");
}

TEST_F(Directory, a_cgroup_too_new_to_be_found_is_found_later_and_never_wrong) {
    const std::uint64_t from = cgroups.make("/a.service");
    open();
    const Who child{43, 90 * tick_ns + 1, from};
    learn(fork_schema, child, {1, 1});
    EXPECT_EQ(subject(child).unit, "a.service");
    const std::uint64_t to = cgroups.make("/b.service");
    learn(exec_schema, {43, child.start_ns, to}, {1, 1}, "app", "/app");
    learn(exit_schema, {43, child.start_ns, to}, {1, 1}, "app");
    EXPECT_EQ(subject({43, child.start_ns, to}).unit, "");
    clock.now_ns += 1'000'000'000;
    EXPECT_EQ(subject({43, child.start_ns, to}).unit, "b.service");
}

TEST_F(Directory, of_a_process_that_came_and_went_unseen_the_cgroup_still_tells) {
    const std::uint64_t group = cgroups.make("/system.slice/cron.service");
    open();
    const Subject found = subject({99, 90 * tick_ns + 1, group});
    EXPECT_EQ(found.unit, "cron.service");
    EXPECT_EQ(found.comm, "");
    EXPECT_EQ(found.exe, "");
}

TEST_F(Directory, a_process_seen_in_another_group_is_in_that_one) {
    const std::uint64_t from = cgroups.make("/a.service");
    const std::uint64_t to = cgroups.make("/b.service");
    open();
    learn(fork_schema, {43, 90 * tick_ns + 1, from}, {1, 1});
    EXPECT_EQ(subject({43, 90 * tick_ns + 1, from}).unit, "a.service");
    EXPECT_EQ(subject({43, 90 * tick_ns + 1, to}).unit, "b.service");
}

TEST_F(Directory, answers_while_another_thread_learns) {
    open();
    std::atomic<bool> learned{false};
    std::thread asker([&] {
        while (!learned) {
            for (std::uint32_t pid = 100; pid < 200; ++pid) {
                const auto found = find(*directory, {pid, pid * tick_ns + 1});
                EXPECT_TRUE(!found || found->comm == "worker");
            }
        }
    });
    for (int round = 0; round < 200; ++round)
        for (std::uint32_t pid = 100; pid < 200; ++pid)
            learn(exec_schema, {pid, pid * tick_ns + 1}, {1, 1}, "worker", "/w");
    learned = true;
    asker.join();
    EXPECT_EQ(subject({150, 150 * tick_ns + 1}).exe, "/w");
}

TEST_F(Directory, a_relative_name_is_made_whole_while_the_process_runs) {
    proc.add({.pid = 43, .start_ticks = 90, .exe = "/opt/app/crash"});
    open();
    learn(exec_schema, {43, 90 * tick_ns + 1}, {1, 1}, "crash", "./crash");
    EXPECT_EQ(subject({43, 90 * tick_ns + 1}).exe, "/opt/app/crash");
    learn(exec_schema, {44, 90 * tick_ns + 1}, {1, 1}, "crash", "./crash");
    EXPECT_EQ(subject({44, 90 * tick_ns + 1}).exe, "./crash");
}

TEST_F(Directory, a_relative_name_of_a_process_that_is_gone_is_found_where_its_parent_works) {
    const TestDirectory work;
    work.write("crash", "");
    std::filesystem::permissions(work.path() + "/crash", std::filesystem::perms::owner_all);
    proc.add({.pid = 42, .start_ticks = 77, .cwd = work.path()});
    open();
    const Who parent{42, 77 * tick_ns + 3};
    learn(exec_schema, {43, 90 * tick_ns + 1}, parent, "crash", "./crash");
    EXPECT_EQ(subject({43, 90 * tick_ns + 1}).exe, work.path() + "/crash");
    learn(exec_schema, {44, 90 * tick_ns + 1}, parent, "other", "./other");
    EXPECT_EQ(subject({44, 90 * tick_ns + 1}).exe, "./other");
}

TEST_F(Directory, other_rows_teach_nothing) {
    open();
    learn(other_schema, {43, 90 * tick_ns + 1}, {1, 1}, "x", "/bin/x");
    EXPECT_FALSE(knows({43, 90 * tick_ns + 1}));
    EXPECT_EQ(directory->size(), 0u);
}

TEST_F(Directory, holds_the_subjects_used_last_and_counts_the_others) {
    open();
    constexpr std::uint32_t more = 1000;
    const Who first{10, 10 * tick_ns + 1};
    learn(fork_schema, first, {1, 1}, "kept");
    for (std::uint32_t i = 0; i < ProcessDirectory::capacity + more; ++i) {
        learn(fork_schema, {100 + i, (100 + i) * tick_ns + 1}, {1, 1});
        if (i % 1000 == 0) {
            EXPECT_TRUE(knows(first));
        }
    }
    EXPECT_EQ(directory->size(), ProcessDirectory::capacity);
    EXPECT_EQ(directory->evicted(), more + 1u);
    EXPECT_EQ(subject(first).comm, "kept");
    EXPECT_FALSE(knows({100, 100 * tick_ns + 1}));
    EXPECT_FALSE(knows({100, 0}));
}

TEST_F(Directory, names_are_taken_as_they_are) {
    proc.add({.pid = 42, .comm = "a) S 1\nb", .start_ticks = 77, .exe = "/tmp/x\ny \x1b[2J"});
    open();
    EXPECT_EQ(subject({42, 0}).comm, "a) S 1\nb");
    EXPECT_EQ(subject({42, 0}).exe, "/tmp/x\ny \x1b[2J");
}

TEST(HybridDirectory, a_process_moved_between_version_1_groups_is_looked_up_again_after_its_exec) {
    const TestProc proc;
    const TestCgroups cgroups("/unified");
    const TestClock clock;
    const std::uint64_t root = cgroups.make("/");
    auto directory = ProcessDirectory::open({.proc = proc.path(), .cgroup = cgroups.path()}, clock);
    ASSERT_TRUE(directory);
    RecordWriter<LifeRecord> record;
    record.fixed.header.pid = 43;
    record.fixed.header.start_ns = 90 * tick_ns + 1;
    record.fixed.header.cgroup_id = root;
    record.text(&LifeRecord::exe, "/app");
    proc.add({.pid = 43, .start_ticks = 90, .cgroup = "2:memory:/\n1:name=systemd:/a.service\n0::/\n"});
    directory->learn(Row(fork_schema, record.finish()));
    EXPECT_EQ(find(*directory, {43, 90 * tick_ns + 1, root})->unit, "");
    directory->learn(Row(exec_schema, record.finish()));
    EXPECT_EQ(find(*directory, {43, 90 * tick_ns + 1, root})->unit, "a.service");
}

TEST(RealDirectory, finds_this_process_its_parent_and_a_child_that_is_gone) {
    const SystemClock clock;
    auto directory = ProcessDirectory::open({}, clock);
    ASSERT_TRUE(directory) << directory.error().message;
    ASSERT_GT(directory->size(), 0u);
    const std::optional<Subject> self = find(*directory, {static_cast<std::uint32_t>(::getpid()), 0, 0});
    ASSERT_TRUE(self);
    EXPECT_TRUE(self->exe.ends_with(std::string("/") + program_invocation_short_name));
    EXPECT_EQ(self->parent_pid, static_cast<std::uint32_t>(::getppid()));
    EXPECT_FALSE(self->cgroup.empty());
    const std::uint64_t start_ns = self->start_ns;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    RecordWriter<LifeRecord> record;
    record.fixed.header.pid = static_cast<std::uint32_t>(child);
    record.fixed.header.start_ns = start_ns + 12'345'678;
    record.fixed.parent_pid = static_cast<std::uint32_t>(::getpid());
    record.fixed.parent_start_ns = start_ns;
    directory->learn(Row(fork_schema, record.finish()));
    const std::optional<Subject> found =
        find(*directory, {static_cast<std::uint32_t>(child), start_ns + 12'345'678, 0});
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->exe.ends_with(std::string("/") + program_invocation_short_name));
}

TEST(RealDirectory, says_where_there_is_no_proc) {
    const SystemClock clock;
    const auto directory = ProcessDirectory::open({.proc = "/nonexistent", .cgroup = "/nonexistent"}, clock);
    ASSERT_FALSE(directory);
    EXPECT_EQ(directory.error().message, "cannot open /nonexistent: No such file or directory");
}

}  // namespace
}  // namespace waggle::context
