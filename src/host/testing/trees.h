// SPDX-License-Identifier: Apache-2.0
// For tests: a /proc, a cgroup tree and a clock of one's own, below a directory that goes with its owner.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/clock.h"

namespace waggle::context {

class TestClock final : public Clock {
  public:
    std::uint64_t now_ns = 1'000'000'000;
    std::uint64_t monotonic_ns() const override { return now_ns; }
    std::uint64_t realtime_ns() const override { return now_ns; }
};

class TestDirectory {
  public:
    TestDirectory() {
        char path[] = "/tmp/waggle-context-XXXXXX";
        EXPECT_NE(::mkdtemp(path), nullptr);
        path_ = path;
    }
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;
    ~TestDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }

    void write(const std::string& name, std::string_view text) const {
        const std::filesystem::path file = path_ + "/" + name;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
    }

  private:
    std::string path_;
};

class TestProc : public TestDirectory {
  public:
    struct Process {
        std::uint32_t pid;
        std::string comm = "worker";
        std::uint32_t parent_pid = 1;
        std::uint64_t start_ticks = 100;
        std::string exe = "/usr/bin/worker";
        std::string cgroup = "0::/\n";
        std::string cwd = "/";
    };
    void add(const Process& process) const {
        const std::string pid = std::to_string(process.pid);
        write(pid + "/stat",
              fmt::format("{} ({}) S {} 7 7 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 {} 1000 50 0\n", pid,
                          process.comm, process.parent_pid, process.start_ticks));
        write(pid + "/cgroup", process.cgroup);
        std::filesystem::remove(path() + "/" + pid + "/exe");
        std::filesystem::remove(path() + "/" + pid + "/cwd");
        std::filesystem::create_symlink(process.cwd, path() + "/" + pid + "/cwd");
        if (!process.exe.empty()) std::filesystem::create_symlink(process.exe, path() + "/" + pid + "/exe");
    }
    void remove(std::uint32_t pid) const { std::filesystem::remove_all(path() + "/" + std::to_string(pid)); }
};

class TestCgroups : public TestDirectory {
  public:
    explicit TestCgroups(const std::string& tree = "") : tree_(path() + tree) {
        write(tree + "/cgroup.controllers", "cpu memory\n");
    }
    // Makes the group and gives its number.
    std::uint64_t make(const std::string& group) const {
        std::filesystem::create_directories(tree_ + group);
        struct stat made{};
        EXPECT_EQ(::stat((tree_ + group).c_str(), &made), 0);
        return made.st_ino;
    }
    void remove(const std::string& group) const { std::filesystem::remove_all(tree_ + group); }

  private:
    std::string tree_;
};

}  // namespace waggle::context
