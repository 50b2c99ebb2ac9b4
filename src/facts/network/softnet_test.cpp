// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "facts/makers.h"
#include "facts/testing/fact_rows.h"

namespace waggle::facts {
namespace {

class SoftnetTest : public testing::Test {
  protected:
    void SetUp() override {
        char name[] = "/tmp/waggle-softnet-XXXXXX";
        ASSERT_NE(::mkdtemp(name), nullptr);
        root_ = name;
        std::filesystem::create_directories(root_ + "/proc/thread-self/net");
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    void file(const std::string& text) const {
        std::ofstream(root_ + "/proc/thread-self/net/softnet_stat") << text;
    }
    Roots roots() const {
        return {root_ + "/proc", root_ + "/sys", root_ + "/run", root_ + "/sys/fs/cgroup"};
    }

    std::string root_;
};

TEST_F(SoftnetTest, a_line_is_a_processor_and_says_which) {
    file(
        "00001335 0000000a 00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000007 00000003 "
        "00000004 00000000 00000000 "
        "00000004\n"
        "ffffffff 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
        "00000000 00000002 00000000 "
        "00000000\n");
    const auto fact = make_softnet(roots());
    const auto rows = fact_rows(*fact);
    ASSERT_EQ(rows.size(), 2u);
    const FactRow first = only_row(rows, {{"cpu", "0"}});
    EXPECT_EQ(first.at("processed"), "4917");
    EXPECT_EQ(first.at("dropped"), "10");
    EXPECT_EQ(first.at("squeezed"), "2");
    EXPECT_EQ(first.at("passed_on"), "7");
    EXPECT_EQ(first.at("flow_limited"), "3");
    EXPECT_EQ(first.at("backlog"), "4");
    EXPECT_EQ(only_row(rows, {{"cpu", "2"}}).at("processed"), "4294967295") << "processor 1 is offline";
}

TEST_F(SoftnetTest, lines_that_do_not_name_their_processor_are_counted) {
    file(
        "00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000\n"
        "00000002 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 "
        "00000000\n");
    const auto fact = make_softnet(roots());
    EXPECT_EQ(only_row(fact_rows(*fact), {{"cpu", "1"}}).at("processed"), "2");
}

TEST_F(SoftnetTest, what_is_no_line_of_numbers_is_an_error) {
    for (const char* text : {"00000001 0000\n", "processor 0\n", "\n"}) {
        file(text);
        const auto fact = make_softnet(roots());
        EXPECT_FALSE(fact->read([](const Row&) {})) << text;
    }
    const auto nothing = make_softnet({"/nowhere", "/nowhere", "/nowhere", "/nowhere"});
    EXPECT_FALSE(nothing->read([](const Row&) {}));
}

}  // namespace
}  // namespace waggle::facts
