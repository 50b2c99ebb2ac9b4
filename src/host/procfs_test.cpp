// SPDX-License-Identifier: Apache-2.0
#include "host/procfs.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/testing/trees.h"

namespace waggle::facts {
namespace {

// The same limits with room to move: the soft one below the hard one.
class ProcfsLimit : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        rlimit lowered = before_;
        lowered.rlim_cur = 321;
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
    }
    void TearDown() override { ::setrlimit(RLIMIT_NOFILE, &before_); }

    rlimit before_{};
};

TEST_F(ProcfsLimit, is_what_the_kernel_says) {
    Procfs proc("/proc");
    const ResourceLimit limit =
        proc.limit(static_cast<std::uint32_t>(::getpid()), RLIMIT_NOFILE, "Max open files");
    EXPECT_EQ(limit.soft, 321);
    EXPECT_EQ(limit.hard, resource_limit(proc.file("/proc/self/limits"), "Max open files").hard);
}

// Where the numbers of processes are others than waggle's own (another machine's tree, another container's /proc), the kernel
// would be asked about a stranger.
TEST_F(ProcfsLimit, of_another_tree_is_what_its_file_says) {
    const context::TestDirectory root;
    const std::string pid = std::to_string(::getpid());
    root.write(pid + "/limits",
               "Limit                     Soft Limit           Hard Limit           Units     \n"
               "Max open files            7                    unlimited            files     \n");
    Procfs proc(root.path());
    const ResourceLimit limit =
        proc.limit(static_cast<std::uint32_t>(::getpid()), RLIMIT_NOFILE, "Max open files");
    EXPECT_EQ(limit.soft, 7);
    EXPECT_EQ(limit.hard, std::nullopt);
}

TEST_F(ProcfsLimit, of_a_process_that_is_not_there_is_none) {
    Procfs proc("/proc");
    const ResourceLimit limit = proc.limit(0x7fffffff, RLIMIT_NOFILE, "Max open files");
    EXPECT_EQ(limit.soft, std::nullopt);
    EXPECT_EQ(limit.hard, std::nullopt);
}

}  // namespace
}  // namespace waggle::facts
