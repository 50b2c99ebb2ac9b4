// SPDX-License-Identifier: Apache-2.0
// The knowledge against what the running kernel itself lists: tracepoints, counters, fields, capabilities, files of
// control groups. Of each category at least 95 % must be known.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "explain/knowledge.h"
#include "explain/knowledge_files.h"

namespace waggle::explain {
namespace {

constexpr double least_known = 0.95;

std::vector<std::string> lines_of(const std::string& path) {
    std::ifstream file(path);
    std::vector<std::string> out;
    for (std::string line; std::getline(file, line);) out.push_back(line);
    return out;
}

std::string first_word(const std::string& line) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    return word;
}

// A tracefs of our own, in a mount namespace of our own: nothing of the machine's is changed.
std::string tracing_folder() {
    static const std::string folder = [] {
        if (::unshare(CLONE_NEWNS) != 0) return std::string();
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return std::string();
        static char path[] = "/tmp/waggle-tracefs-XXXXXX";
        if (!::mkdtemp(path) || ::mount("tracefs", path, "tracefs", 0, nullptr) != 0) return std::string();
        return std::string(path);
    }();
    return folder;
}

class Unmount : public ::testing::Environment {
  public:
    void TearDown() override {
        if (tracing_folder().empty()) return;
        ::umount(tracing_folder().c_str());
        ::rmdir(tracing_folder().c_str());
    }
};
const auto* const unmount = ::testing::AddGlobalTestEnvironment(new Unmount);

std::vector<std::string> tracepoints_of(const std::string& group) {
    std::vector<std::string> out;
    std::error_code wrong;
    for (const auto& entry :
         std::filesystem::directory_iterator(tracing_folder() + "/events/" + group, wrong))
        if (entry.is_directory()) out.push_back(entry.path().filename().string());
    return out;
}

// Asks for every word; says which are not known. `kinds`: of which kind one of the explanations must be.
void expect_known(const std::string& category, const std::vector<std::string>& words,
                  const std::set<std::string>& kinds) {
    const auto knowledge = Knowledge::open(knowledge_files());
    ASSERT_TRUE(knowledge) << knowledge.error().message;
    ASSERT_FALSE(words.empty()) << category << ": the kernel lists nothing";
    std::string missing;
    std::size_t known = 0;
    for (const std::string& word : words) {
        const auto found = knowledge->find(word);
        ASSERT_TRUE(found) << found.error().message;
        if (std::any_of(found->begin(), found->end(),
                        [&](const auto& each) { return kinds.contains(each.kind); }))
            ++known;
        else
            missing += " " + word;
    }
    const double share = static_cast<double>(known) / static_cast<double>(words.size());
    std::printf("%s: %zu of %zu known;%s\n", category.c_str(), known, words.size(), missing.c_str());
    EXPECT_GE(share, least_known) << category << " lacks:" << missing;
}

class Tracepoints : public ::testing::TestWithParam<const char*> {};

TEST_P(Tracepoints, of_the_running_kernel_are_known) {
    ASSERT_FALSE(tracing_folder().empty()) << "tracefs cannot be mounted";
    expect_known(GetParam(), tracepoints_of(GetParam()), {"tracepoint"});
}
INSTANTIATE_TEST_SUITE_P(ByGroup, Tracepoints,
                         ::testing::Values("sched", "irq", "vmscan", "syscalls", "tcp", "udp", "net", "block",
                                           "writeback"),
                         [](const auto& each) { return std::string(each.param); });

// "TcpExt: SyncookiesSent ..." is followed by a line of numbers.
std::vector<std::string> counters_in(const std::string& path) {
    std::vector<std::string> out;
    std::set<std::string> seen;
    for (const std::string& line : lines_of(path)) {
        std::istringstream words(line);
        std::string group, name;
        words >> group;
        if (!seen.insert(group).second) continue;
        group.pop_back();
        while (words >> name) out.push_back(group + name);
    }
    return out;
}

std::vector<std::string> first_words_of(const std::string& path) {
    std::vector<std::string> out;
    for (const std::string& line : lines_of(path)) {
        std::string word = first_word(line);
        if (word.ends_with(':')) word.pop_back();
        if (!word.empty()) out.push_back(word);
    }
    return out;
}

TEST(Counters, of_netstat_are_known) {
    expect_known("netstat", counters_in("/proc/net/netstat"), {"counter"});
}
TEST(Counters, of_snmp_are_known) { expect_known("snmp", counters_in("/proc/net/snmp"), {"counter"}); }
TEST(Counters, of_snmp6_are_known) { expect_known("snmp6", first_words_of("/proc/net/snmp6"), {"counter"}); }
TEST(Counters, of_vmstat_are_known) { expect_known("vmstat", first_words_of("/proc/vmstat"), {"vmstat"}); }
TEST(Fields, of_meminfo_are_known) { expect_known("meminfo", first_words_of("/proc/meminfo"), {"meminfo"}); }

TEST(Fields, of_pressure_are_known) {
    std::vector<std::string> words;
    std::error_code wrong;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/pressure", wrong)) {
        words.push_back(entry.path().string());
        for (const std::string& line : lines_of(entry.path().string())) {
            words.push_back(first_word(line) + " avg10");
            std::istringstream parts(line);
            std::string part;
            parts >> part;
            while (parts >> part) {
                const std::string name = part.substr(0, part.find('='));
                words.push_back(name == "total" ? "pressure total" : name);
            }
        }
    }
    if (words.empty()) words = {"psi", "avg10", "avg60", "avg300"};  // a kernel without CONFIG_PSI
    expect_known("pressure", words, {"pressure"});
}

// The kernel says how many capabilities it has, by number.
TEST(Capabilities, up_to_the_kernels_last_are_known) {
    const std::vector<std::string> last = lines_of("/proc/sys/kernel/cap_last_cap");
    ASSERT_EQ(last.size(), 1u);
    std::vector<std::string> words;
    for (int number = 0; number <= std::stoi(last[0]); ++number)
        words.push_back("capability " + std::to_string(number));
    expect_known("capabilities", words, {"capability"});
}

TEST(States, of_all_processes_are_known) {
    std::set<std::string> states;
    std::error_code wrong;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", wrong))
        for (const std::string& line : lines_of(entry.path().string() + "/status"))
            if (line.starts_with("State:\t")) states.insert(line.substr(7));
    expect_known("process states", {states.begin(), states.end()}, {"process_state"});
}

TEST(Files, of_control_groups_are_known) {
    std::set<std::string> names;
    std::error_code wrong;
    for (const char* root : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        if (!std::filesystem::exists(std::string(root) + "/cgroup.controllers", wrong)) continue;
        std::size_t looked_at = 0;
        const auto take = [&](const std::filesystem::path& folder) {
            for (const auto& entry : std::filesystem::directory_iterator(folder, wrong))
                if (entry.is_regular_file(wrong)) names.insert(entry.path().filename().string());
        };
        take(root);
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root, wrong)) {
            if (!entry.is_directory(wrong)) continue;
            take(entry.path());
            if (++looked_at == 50) break;
        }
    }
    expect_known("control groups", {names.begin(), names.end()}, {"cgroup_file", "pressure"});
}

}  // namespace
}  // namespace waggle::explain
