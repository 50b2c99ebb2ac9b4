// SPDX-License-Identifier: Apache-2.0
// Programs that cannot be started, each in its own way, by fork and by posix_spawn.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <vector>

#include "sensing/testing/drain_whole.h"
#include "sensors/process/process.h"
#include "waggle/owned_fd.h"

namespace waggle::sensors {
namespace {

struct Told {
    std::uint32_t pid;
    std::string path, error, reason, obstacle;
    bool executed, same_root;
    std::uint64_t user;
    std::string root_kind{}, root_path{};
};

// What was told of the children of this test.
std::vector<Told> failures(Running& sensor, const Names& names) {
    std::vector<Told> out;
    drain_whole(sensor, [&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor.read(record);
            ASSERT_TRUE(row) << row.error().message;
            if (std::string_view(row->schema().name) != "process_exec_failure" ||
                row->u64("parent_pid") != static_cast<std::uint32_t>(::getpid()))
                continue;
            out.push_back({static_cast<std::uint32_t>(row->u64("pid")), std::string(row->text("path")),
                           std::string(names.find("errno", row->u64("error"))),
                           std::string(row->text("reason")), std::string(row->text("obstacle")),
                           row->u64("executed") != 0, row->u64("same_root") != 0, row->u64("user"),
                           std::string(row->text("root_kind")), std::string(row->text("root_path"))});
        }
    });
    return out;
}

pid_t try_to_start(std::string path) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        char* argv[] = {path.data(), nullptr};
        ::execv(path.c_str(), argv);
        ::_exit(126);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return pid;
}

TEST(FailedStartKernel, each_gives_a_row_with_what_stood_in_the_way_and_a_good_start_none) {
    Names names;
    auto sensor = process_source.start({}, names);
    ASSERT_TRUE(sensor) << sensor.error().message;
    const auto hooks = (*sensor)->hooks();
    const auto hook = std::ranges::find(hooks, "failed exec", &HookUse::moment);
    ASSERT_NE(hook, hooks.end());
    ASSERT_FALSE(hook->hook.empty()) << hook->reason;
    char directory[] = "/tmp/waggle-start.XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    const std::string plain = std::string(directory) + "/plain", script = std::string(directory) + "/script";
    std::ofstream(plain) << "#!/bin/sh\n";
    std::ofstream(script) << "#!/nowhere/at/all -x\n";
    ::chmod(script.c_str(), 0755);

    const std::vector<Told> wanted = {
        {0, plain, "EACCES", "not_executable", plain, false, true, ::geteuid()},
        {0, script, "ENOENT", "no_interpreter", "/nowhere/at/all", false, true, ::geteuid()},
        {0, "/nowhere/program", "ENOENT", "no_directory", "/nowhere", false, true, ::geteuid()},
        {0, "/proc", "EACCES", "is_directory", "/proc", false, true, ::geteuid()}};
    for (const Told& each : wanted) {
        const auto pid = static_cast<std::uint32_t>(try_to_start(each.path));
        const std::vector<Told> told = failures(**sensor, names);
        ASSERT_EQ(told.size(), 1u) << each.path;
        EXPECT_EQ(told[0].pid, pid);
        EXPECT_EQ(told[0].path, each.path);
        EXPECT_EQ(told[0].error, each.error);
        EXPECT_EQ(told[0].reason, each.reason);
        EXPECT_EQ(told[0].obstacle, each.obstacle);
        EXPECT_EQ(told[0].executed, each.executed);
        EXPECT_EQ(told[0].same_root, each.same_root);
        EXPECT_EQ(told[0].user, each.user);
        EXPECT_EQ(told[0].root_kind, "ours");
        EXPECT_EQ(told[0].root_path, "");
    }
    // Its child has this process's memory until it becomes a program.
    std::string missing = "/nowhere/at/all", good = "/bin/true";
    char* argv[] = {missing.data(), nullptr};
    pid_t spawned = 0;
    EXPECT_EQ(::posix_spawn(&spawned, missing.c_str(), nullptr, nullptr, argv, environ), ENOENT);
    argv[0] = good.data();
    ASSERT_EQ(::posix_spawn(&spawned, good.c_str(), nullptr, nullptr, argv, environ), 0);
    EXPECT_EQ(::waitpid(spawned, nullptr, 0), spawned);
    const std::vector<Told> told = failures(**sensor, names);
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].path, missing);
    for (const Loss& loss : (*sensor)->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    std::filesystem::remove_all(directory);
}

TEST(FailedStartKernel, a_file_that_is_open_already_is_called_by_its_first_argument) {
    Names names;
    auto sensor = process_source.start({}, names);
    ASSERT_TRUE(sensor) << sensor.error().message;
    char file[] = "/tmp/waggle-start.XXXXXX";  // which nobody may execute
    const OwnedFd fd(::mkostemp(file, O_CLOEXEC));
    ASSERT_TRUE(fd);
    ::unlink(file);
    const pid_t pid = ::fork();
    if (pid == 0) {
        char nothing[] = "", name[] = "shop";
        char* argv[] = {name, nullptr};
        ::execveat(fd.get(), nothing, argv, environ, AT_EMPTY_PATH);
        ::_exit(126);
    }
    ASSERT_EQ(::waitpid(pid, nullptr, 0), pid);
    const std::vector<Told> told = failures(**sensor, names);
    // The C library's execveat is not watched, where the kernel's cannot be.
    const auto hooks = (*sensor)->hooks();
    const auto hook = std::ranges::find(hooks, "failed exec by descriptor", &HookUse::moment);
    ASSERT_EQ(told.size(), hook != hooks.end() && !hook->hook.empty() ? 1u : 0u);
    for (const Told& each : told) {
        EXPECT_EQ(each.path, "shop");
        EXPECT_EQ(each.error, "EACCES");
    }
}

// A child in another root directory asks for what only waggle's own has, and lives on until it is collected, or ends at once.
class InAnotherRoot {
  public:
    InAnotherRoot(const char* root, int namespaces, bool stays) {
        EXPECT_EQ(::pipe(done_), 0);
        EXPECT_EQ(::pipe(tried_), 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::close(done_[1]);
            char byte = 0;
            if ((namespaces == 0 || ::unshare(namespaces) == 0) && ::chroot(root) == 0 && ::chdir("/") == 0) {
                char* argv[] = {const_cast<char*>("/usr/bin/env"), nullptr};
                ::execv(argv[0], argv);
                (void)!::write(tried_[1], "x", 1);
                if (stays) (void)!::read(done_[0], &byte, 1);
            }
            ::_exit(127);
        }
        ::close(done_[0]);
        ::close(tried_[1]);
        char byte = 0;
        EXPECT_EQ(::read(tried_[0], &byte, 1), 1);
        if (!stays) collect();
    }
    ~InAnotherRoot() {
        collect();
        ::close(tried_[0]);
    }

  private:
    void collect() {
        if (pid_ <= 0) return;
        ::close(done_[1]);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    int done_[2]{}, tried_[2]{};
    pid_t pid_ = 0;
};

TEST(FailedStartKernel, names_the_root_directory_of_who_asked_where_that_is_not_ours) {
    Names names;
    auto sensor = process_source.start({}, names);
    ASSERT_TRUE(sensor) << sensor.error().message;
    char directory[] = "/tmp/waggle-start.XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    std::filesystem::create_directories(std::string(directory) + "/usr/bin");
    const auto expect = [&](std::string_view root_kind, std::string_view root_path, std::string_view reason) {
        const std::vector<Told> told = failures(**sensor, names);
        ASSERT_EQ(told.size(), 1u);
        EXPECT_EQ(told[0].path, "/usr/bin/env");
        EXPECT_EQ(told[0].error, "ENOENT");
        EXPECT_FALSE(told[0].same_root);
        EXPECT_EQ(told[0].root_kind, root_kind);
        EXPECT_EQ(told[0].root_path, root_path);
        EXPECT_EQ(told[0].reason, reason);
    };
    {
        const InAnotherRoot child(directory, 0, true);
        expect("directory", directory, "no_file");
    }
    {
        const InAnotherRoot child(directory, CLONE_NEWNS, true);
        expect("mounts", directory, "no_file");
    }
    std::filesystem::create_directories(std::string(directory) + "/other");
    {  // gone before it is looked at, and its root with it: what is there cannot be told
        const InAnotherRoot child((std::string(directory) + "/other").c_str(), 0, false);
        expect("other", "", "");
    }
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace waggle::sensors
