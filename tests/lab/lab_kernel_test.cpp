// SPDX-License-Identifier: Apache-2.0
// The lab as it is used: faults are made, answered and healed, and nothing stays behind.
//
// Of the faults those marked `quick` are scored, several at once; on an emulated machine two of them.
// With WAGGLE_LAB=all every fault is made and healed once, each answer unjudged. What the answers say of every
// fault, lab_recordings_test holds without root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "lab/fault.h"
#include "places.h"
#include "tests/testing/command.h"

namespace waggle::lab {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

bool emulated() { return std::getenv("WAGGLE_VM") != nullptr; }

std::string output_of(const std::string& command) { return test::outcome_of(command).text; }
std::string waggle(const std::string& arguments) { return output_of(test::waggle_command(arguments)); }

// What a fault can leave on a machine, by kind. On a machine of its own all of it is looked at; elsewhere
// only what bears the lab's marks, because others work there too.
using Things = std::map<std::string, std::set<std::string>>;
Things things() {
    const struct {
        const char *kind, *command, *mark;
    } kinds[] = {
        {"namespaces", "ls /run/netns 2>/dev/null", "^lab-"},
        {"loop devices", "losetup -n -O NAME,BACK-FILE", "waggle-lab\\."},
        {"control groups", "find /sys/fs/cgroup -type d -printf '%P\\n'", "(^|/)lab-"},
        {"mounts", "cut -d' ' -f2 /proc/mounts", "waggle-lab\\."},
        {"files", "ls -d /tmp/* 2>/dev/null", "/waggle-lab\\."},
        {"BPF programs", "bpftool prog show | sed -n 's/^\\([0-9]*\\): .* name \\([^ ]*\\) .*/\\2 \\1/p'",
         "^[a-z]+[0-9]+ "},
        {"processes",
         "for p in /proc/[0-9]*; do echo \"${p#/proc/} $(tr '\\0' ' ' < $p/environ) $(readlink $p/exe)\"; "
         "done 2>/dev/null",
         "waggle-lab\\."},
    };
    Things out;
    for (const auto& [kind, command, mark] : kinds) {
        const bool all = emulated() && std::string_view(kind) != "processes";
        const std::regex marked(mark);
        std::istringstream lines(output_of(command));
        out[kind];
        for (std::string line; std::getline(lines, line);)
            if (all || std::regex_search(line, marked)) out[kind].insert(line);
    }
    return out;
}

class Lab : public testing::Test {
  protected:
    Lab() : before_(things()) {}
    // What the kernel takes away a moment later has its time.
    ~Lab() override {
        Things after = things();
        for (int i = 0; i < 300 && after != before_; ++i) {
            std::this_thread::sleep_for(100ms);
            after = things();
        }
        for (const auto& [kind, left] : after) {
            std::set<std::string> more;
            std::set_difference(left.begin(), left.end(), before_[kind].begin(), before_[kind].end(),
                                std::inserter(more, more.end()));
            EXPECT_THAT(more, IsEmpty()) << kind << " are left behind";
        }
    }

  private:
    Things before_;
};

// A line of JSON for each fault.
std::vector<json> scores_of(const std::string& arguments) {
    std::vector<json> out;
    std::istringstream lines(waggle("lab score --output json " + arguments));
    for (std::string line; std::getline(lines, line);) {
        out.push_back(json::parse(line, nullptr, false));
        EXPECT_TRUE(out.back().is_object()) << line;
    }
    return out;
}

TEST_F(Lab, faults_of_the_short_list_are_answered_right_several_at_once) {
    const Result<std::vector<Fault>> faults = read_faults(WAGGLE_SOURCE_DIR "/lab");
    ASSERT_TRUE(faults) << faults.error().message;
    utsname system{};
    uname(&system);
    std::string names;
    std::size_t wanted = 0;
    for (const Fault& fault : *faults) {
        if (!fault.quick || !cannot_run(fault, system.release).empty() || (emulated() && wanted == 2))
            continue;
        names += fault.name + " ";
        ++wanted;
    }
    ASSERT_GE(wanted, emulated() ? 2u : 8u);
    const std::vector<json> scores =
        scores_of(names + (emulated() ? "--jobs 2 --for 20s" : "--jobs 6 --for 5s"));
    EXPECT_EQ(scores.size(), wanted);
    for (const json& score : scores) EXPECT_EQ(score["right"], true) << score.dump(2);
}

TEST_F(Lab, every_kind_of_thing_can_be_made_and_healed) {
    // Besides namespaces and firewall rules, which the short list has: disks and mounts, a file system that
    // stands still, control groups, BPF programs.
    std::string names = "cpu_quota_throttles";
    if (!emulated()) names += " disk_stands_still cgroup_program_drops listener_ended";
    const char* asked = std::getenv("WAGGLE_LAB");
    if (asked && std::string_view(asked) == "all") names = "";
    const std::vector<json> scores = scores_of(names + " --for 1s --jobs 4");
    EXPECT_GE(scores.size(), names.empty() ? 90u : emulated() ? 1u : 4u);
    for (const json& score : scores) EXPECT_TRUE(score["failed"].is_null()) << score.dump(2);
}

// Each in a network namespace of its own, which the commands do not leave: so they can go side by side.
TEST_F(Lab, the_first_command_of_the_advice_heals) {
    if (emulated()) return;  // what is pasted is the same on every kernel
#ifdef WAGGLE_SANITIZED
    return;  // seven at once are too slow to see what they healed
#endif
    const std::string names[] = {"nft_rule_drops_a_port",     "nft_interval_set_jump_reset",
                                 "nft_verdict_map_drops",     "nft_reject_ipv6",
                                 "udp_reuseport_one_stopped", "iptables_legacy_ipset_multiport_reject",
                                 "accept_server_stopped"};
    std::vector<json> scores(std::size(names));
    {
        std::vector<std::jthread> side_by_side;
        for (std::size_t i = 0; i < std::size(names); ++i)
            side_by_side.emplace_back([&, i] {
                std::istringstream lines(waggle("lab score --output json --paste --for 3s " + names[i]));
                std::string line;
                std::getline(lines, line);
                scores[i] = json::parse(line, nullptr, false);
            });
    }
    for (const json& score : scores) {
        ASSERT_TRUE(score.is_object());
        if (!score["skipped"].is_null()) continue;  // ipset is not everywhere
        ASSERT_EQ(score["pasted"].size(), 1u) << score.dump(2);
        EXPECT_EQ(score["pasted"][0]["effect"], "healed") << score.dump(2);
    }
}

// Starts the lab, waits until the fault's namespace is there, and sends the signal.
void interrupt_by(int signal) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::setpgid(0, 0);
        if (!std::freopen("/dev/null", "w", stdout) || !std::freopen("/dev/null", "w", stderr)) ::_exit(98);
        ::execl(WAGGLE_BINARY_DIR "/bin/waggle", "waggle", "lab", "run", "nobody_listens", "--for", "50s",
                nullptr);
        ::_exit(99);
    }
    ::setpgid(child, child);
    const auto is_there = [] {
        return !output_of("ls /run/netns 2>/dev/null | grep '^lab-.*-server$'").empty();
    };
    for (int i = 0; i < 600 && !is_there(); ++i) std::this_thread::sleep_for(50ms);
    EXPECT_TRUE(is_there());
    ::kill(signal == SIGKILL ? child : -child, signal);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (signal == SIGKILL) {
        // Its guard goes on without it.
        for (int i = 0; i < 200 && is_there(); ++i) std::this_thread::sleep_for(50ms);
    } else {
        EXPECT_TRUE(WIFEXITED(status));
        EXPECT_FALSE(is_there()) << "it is healed when the program ends";
    }
}

TEST_F(Lab, ctrl_c_heals_the_fault) { interrupt_by(SIGINT); }

TEST_F(Lab, a_lab_that_is_killed_leaves_nothing_behind) { interrupt_by(SIGKILL); }

}  // namespace
}  // namespace waggle::lab
