// SPDX-License-Identifier: Apache-2.0
#include "host/cgroup_paths.h"

#include <gtest/gtest.h>

#include "host/path.h"
#include "host/testing/trees.h"

namespace waggle::context {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

TEST(CgroupPaths, finds_a_group_by_its_number) {
    const TestCgroups tree;
    const std::uint64_t root = tree.make("/");
    const std::uint64_t service = tree.make("/system.slice/a.service/deep");
    const TestClock clock;
    CgroupPaths paths(tree.path(), clock);
    EXPECT_TRUE(paths.unified());
    ASSERT_NE(paths.find(service), nullptr);
    EXPECT_EQ(paths.find(service)->path, "/system.slice/a.service/deep");
    EXPECT_EQ(paths.find(service)->unit, "a.service");
    ASSERT_NE(paths.find(root), nullptr);
    EXPECT_EQ(paths.find(root)->path, "/");
    EXPECT_EQ(paths.find(0), nullptr);
}

TEST(CgroupPaths, looks_again_for_a_new_group_but_once_a_second) {
    const TestCgroups tree;
    tree.make("/a");
    TestClock clock;
    CgroupPaths paths(tree.path(), clock);
    EXPECT_EQ(paths.find(~std::uint64_t{0}), nullptr);
    const std::uint64_t late = tree.make("/late");
    EXPECT_EQ(paths.find(late), nullptr);
    clock.now_ns += second_ns - 1;
    EXPECT_EQ(paths.find(late), nullptr);
    clock.now_ns += 1;
    ASSERT_NE(paths.find(late), nullptr);
    EXPECT_EQ(paths.find(late)->path, "/late");
}

TEST(CgroupPaths, a_number_that_was_not_there_is_not_looked_for_again) {
    const TestCgroups tree;
    TestClock clock;
    CgroupPaths paths(tree.path(), clock);
    EXPECT_EQ(paths.find(~std::uint64_t{0}), nullptr);
    clock.now_ns += 10 * second_ns;
    EXPECT_EQ(paths.find(~std::uint64_t{0}), nullptr);
    // Had that been a look at the tree, this one would have to wait.
    const std::uint64_t late = tree.make("/late");
    EXPECT_NE(paths.find(late), nullptr);
}

TEST(CgroupPaths, remembers_a_group_that_has_gone) {
    const TestCgroups tree;
    const std::uint64_t brief = tree.make("/brief.service");
    TestClock clock;
    CgroupPaths paths(tree.path(), clock);
    ASSERT_NE(paths.find(brief), nullptr);
    tree.remove("/brief.service");
    clock.now_ns += 10 * second_ns;
    EXPECT_EQ(paths.find(~std::uint64_t{0}), nullptr);
    ASSERT_NE(paths.find(brief), nullptr);
    EXPECT_EQ(paths.find(brief)->unit, "brief.service");
}

TEST(CgroupPaths, finds_version_2_beside_version_1) {
    const TestCgroups tree("/unified");
    const std::uint64_t group = tree.make("/x.service");
    const TestClock clock;
    CgroupPaths paths(tree.path(), clock);
    EXPECT_FALSE(paths.unified());
    ASSERT_NE(paths.find(group), nullptr);
    EXPECT_EQ(paths.find(group)->path, "/x.service");
}

TEST(CgroupPaths, knows_nothing_without_version_2) {
    const TestDirectory empty;
    const TestClock clock;
    CgroupPaths paths(empty.path(), clock);
    EXPECT_FALSE(paths.unified());
    EXPECT_EQ(paths.find(1), nullptr);
}

TEST(Paths, lie_below_a_folder_and_not_below_one_that_begins_alike) {
    EXPECT_TRUE(lies_below("/a/b", "/a"));
    EXPECT_TRUE(lies_below("/a/b/c", "/a"));
    EXPECT_FALSE(lies_below("/ab", "/a"));
    EXPECT_FALSE(lies_below("/a", "/a"));
    EXPECT_TRUE(lies_below("/a", "/"));
    EXPECT_FALSE(lies_below("/", "/"));
}

}  // namespace
}  // namespace waggle::context
