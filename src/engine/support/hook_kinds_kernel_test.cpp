// SPDX-License-Identifier: Apache-2.0
#include "engine/support/hook_kinds.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "engine/support/kernel_options.h"

namespace waggle::kernel {
namespace {

bool works(const std::vector<HookKind>& kinds, std::string_view name) {
    const auto found =
        std::find_if(kinds.begin(), kinds.end(), [&](const HookKind& kind) { return kind.name == name; });
    EXPECT_NE(found, kinds.end()) << name;
    return found != kinds.end() && found->works;
}

// Whether the kernel lists a function that only a kernel with the feature has.
bool kernel_has_symbol(const std::string& symbol) {
    std::ifstream file("/proc/kallsyms");
    for (std::string line; std::getline(file, line);)
        if (line.find(' ' + symbol) != std::string::npos &&
            (line.ends_with(' ' + symbol) || line.find(' ' + symbol + '\t') != std::string::npos))
            return true;
    return false;
}

// Classic tracepoints are found through tracefs. Where it is not mounted the test mounts it for itself alone.
class HookKindsKernel : public testing::Test {
  protected:
    void SetUp() override {
        struct stat events{};
        if (stat("/sys/kernel/tracing/events", &events) == 0) return;
        ASSERT_EQ(unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, nullptr), 0);
    }
};

TEST_F(HookKindsKernel, what_every_supported_kernel_has_works) {
    const auto kinds = probe_hook_kinds();
    ASSERT_TRUE(kinds) << kinds.error().message;
    for (const std::string_view name : {"tp_btf", "raw_tp", "tracepoint", "uprobe", "iter", "perf_event",
                                        "xdp", "tc", "cgroup_skb", "sockops"})
        EXPECT_TRUE(works(*kinds, name)) << name;
}

TEST_F(HookKindsKernel, kprobes_work_exactly_where_the_kernel_was_built_with_them) {
    const auto kinds = probe_hook_kinds();
    ASSERT_TRUE(kinds) << kinds.error().message;
    EXPECT_EQ(works(*kinds, "kprobe"), kernel_has_symbol("register_kprobe"));
}

TEST_F(HookKindsKernel, a_kind_that_does_not_work_says_why) {
    const auto kinds = probe_hook_kinds();
    ASSERT_TRUE(kinds) << kinds.error().message;
    for (const HookKind& kind : *kinds)
        EXPECT_EQ(kind.works, kind.reason.empty()) << kind.name << ": " << kind.reason;
}

TEST(WhyMissing, names_an_option_only_where_the_configuration_shows_that_it_is_not_set) {
    const KernelOptions options = read_kernel_options();
    if (options.source.empty()) {  // nothing can be looked up, so nothing is said of it
        const std::string said = why_missing("x", "CONFIG_BPF_SYSCALL", "y");
        EXPECT_NE(said.find("whether it was built with CONFIG_BPF_SYSCALL cannot be told"), std::string::npos)
            << said;
        return;
    }
    // This test runs through BPF, so the kernel has it.
    EXPECT_EQ(options.value("CONFIG_BPF_SYSCALL"), 'y');
    EXPECT_EQ(options.value("CONFIG_NO_SUCH_OPTION"), std::nullopt);
    EXPECT_EQ(options.value("CONFIG_KPROBES") == 'n', !kernel_has_symbol("register_kprobe"));
    const std::string set = why_missing("iter", "CONFIG_BPF_SYSCALL", "a reason");
    EXPECT_NE(set.find("it was built with CONFIG_BPF_SYSCALL"), std::string::npos) << set;
    EXPECT_NE(set.find("a reason"), std::string::npos) << set;
    EXPECT_NE(set.find("does not tell"), std::string::npos) << set;
    for (const auto& [option, value] : options.values)
        EXPECT_EQ(why_missing("x", option, "y").find("built without") != std::string::npos, value == 'n')
            << option;
}

}  // namespace
}  // namespace waggle::kernel
