// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "agent/drops/drop_cause.h"

namespace waggle::agent {
namespace {

Drop dropped(const std::string& reason, const std::string& location) {
    Drop drop;
    drop.netns = 7;
    drop.reason = reason;
    drop.location = location;
    drop.direction = "in";
    drop.protocol = "tcp";
    drop.source = "192.0.2.1";
    drop.destination = "192.0.2.2";
    drop.port = 80;
    return drop;
}

TEST(Losses, what_comes_for_a_connection_that_is_over_is_none_whatever_a_kernel_calls_it) {
    const DropScene scene;
    EXPECT_FALSE(is_loss(dropped("TCP_FLAGS", "tcp_v4_do_rcv+0x91"), scene));
    EXPECT_FALSE(is_loss(dropped("NOT_SPECIFIED", "tcp_v4_do_rcv+0x75"), scene));
    EXPECT_FALSE(is_loss(dropped("NOT_SPECIFIED", "tcp_v6_do_rcv+0x2a0"), scene));
}

TEST(Losses, a_drop_without_a_reason_elsewhere_is_one) {
    const DropScene scene;
    EXPECT_TRUE(is_loss(dropped("NOT_SPECIFIED", "tcp_v4_rcv+0x81"), scene));
    EXPECT_TRUE(is_loss(dropped("NOT_SPECIFIED", "udp_queue_rcv_one_skb+0x1f"), scene));
    EXPECT_TRUE(is_loss(dropped("TCP_CSUM", "tcp_v4_do_rcv+0x75"), scene));
}

TEST(Losses, a_sweep_over_absent_neighbours_is_noise_and_a_full_table_is_not) {
    for (const auto& [reason, noise] : {std::pair{"NEIGH_FAILED", true}, {"NEIGH_CREATEFAIL", false}}) {
        std::vector<Drop> sweep(60, dropped(reason, "ip_finish_output2+0x1"));
        DropGroup group;
        for (Drop& drop : sweep) {
            drop.packets = 2;
            drop.destination = "192.0.2." + std::to_string(&drop - sweep.data() + 10);
            group.add(drop);
        }
        EXPECT_EQ(is_noise(group, 10), noise) << reason;
    }
}

}  // namespace
}  // namespace waggle::agent
