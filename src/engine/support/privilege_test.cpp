// SPDX-License-Identifier: Apache-2.0
#include "engine/support/privilege.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace waggle::kernel {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t bit(unsigned capability) { return 1ULL << capability; }
constexpr std::uint64_t to_watch = bit(CAP_BPF) | bit(CAP_PERFMON);

TEST(Privilege, nothing_is_in_the_way_of_who_has_both_or_the_old_one_for_both) {
    EXPECT_EQ(obstacle_of({.effective = to_watch}).what, "");
    EXPECT_EQ(obstacle_of({.effective = bit(CAP_SYS_ADMIN)}).what, "");
}

TEST(Privilege, sudo_is_advised_only_where_it_helps) {
    const Obstacle plain = obstacle_of({});
    EXPECT_EQ(plain.what, "CAP_BPF and CAP_PERFMON are missing");
    EXPECT_THAT(plain.cure, HasSubstr("sudo"));
    EXPECT_EQ(obstacle_of({.effective = bit(CAP_BPF)}).what, "CAP_PERFMON is missing");
    const Obstacle bound = obstacle_of({.bounding = bit(CAP_NET_ADMIN)});
    EXPECT_THAT(bound.what, HasSubstr("not in the bounding set"));
    EXPECT_THAT(bound.cure, Not(HasSubstr("sudo")));
    const Obstacle fixed = obstacle_of({.no_new_privileges = true});
    EXPECT_THAT(fixed.what, HasSubstr("NoNewPrivs"));
    EXPECT_THAT(fixed.cure, Not(HasSubstr("sudo")));
}

TEST(Privilege, capabilities_of_a_user_namespace_do_not_count) {
    const Standing inside{
        .effective = ~0ULL, .first_user_namespace = false, .user_map = "0       1000          1"};
    EXPECT_THAT(obstacle_of(inside).what, HasSubstr("user 0 in it is user 1000 outside"));
    EXPECT_FALSE(counts(inside, CAP_BPF));
    EXPECT_TRUE(counts(inside, CAP_NET_ADMIN)) << "over its own network";
    EXPECT_THAT(obstacle_of({.effective = ~0ULL, .first_user_namespace = false}).what,
                HasSubstr("no user of it is one outside"));
}

TEST(Privilege, a_seccomp_filter_is_told_only_where_it_refused) {
    EXPECT_EQ(obstacle_of({.effective = to_watch, .seccomp_mode = 2}).what, "");
    EXPECT_EQ(obstacle_of({.effective = to_watch, .seccomp_mode = 2, .bpf_refusal = EPERM}).what,
              "a seccomp filter refuses bpf(2): Operation not permitted (Seccomp in /proc/self/status is 2)");
    EXPECT_THAT(obstacle_of({.effective = to_watch, .seccomp_mode = 2, .bpf_refusal = ENOSYS}).what,
                HasSubstr("Function not implemented"));
}

TEST(Privilege, status_of_a_process_in_a_container_is_read) {
    char proc[] = "/tmp/waggle-privilege-XXXXXX";
    ASSERT_NE(::mkdtemp(proc), nullptr);
    std::filesystem::create_directory(std::string(proc) + "/self");
    std::ofstream(std::string(proc) + "/self/status") << "Name:\twaggle\nCapEff:\t00000000a80425fb\nCapBnd:"
                                                         "\t000000c0a80425fb\nNoNewPrivs:\t1\nSeccomp:\t0\n"
                                                         "Seccomp_filters:\t0\n";
    std::ofstream(std::string(proc) + "/self/uid_map")
        << "         0     100000      65536\n     65536          5          1\n";
    const Standing standing = read_standing(proc);
    std::filesystem::remove_all(proc);
    EXPECT_EQ(standing.effective, 0xa80425fbu);
    EXPECT_EQ(standing.bounding, 0xc0a80425fbu);
    EXPECT_TRUE(standing.no_new_privileges);
    EXPECT_EQ(standing.seccomp_mode, 0);
    EXPECT_TRUE(standing.first_user_namespace) << "not known is not told";
    EXPECT_EQ(standing.user_map, "0     100000      65536");
}

}  // namespace
}  // namespace waggle::kernel
