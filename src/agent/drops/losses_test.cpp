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

TEST(Losses, an_answer_for_a_connection_of_which_only_the_port_is_kept_is_none) {
    const DropScene scene;
    Drop drop = dropped("NOT_SPECIFIED", "tcp_v4_rcv+0x91");
    drop.port = 54920;
    drop.talk.seen = drop.talk.answers = 3;
    EXPECT_FALSE(is_loss(drop, scene));
    drop.talk.answers = 2;
    EXPECT_TRUE(is_loss(drop, scene)) << "one was no answer: a handshake's end for a full accept queue";
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

TEST(Losses, the_parts_of_a_packet_made_of_several_are_none) {
    const DropScene scene;
    EXPECT_FALSE(is_loss(dropped("NOT_SPECIFIED", "skb_release_data+0x163"), scene));
    EXPECT_TRUE(is_loss(dropped("TCP_CSUM", "skb_release_data+0x163"), scene));
}

TEST(Losses, what_is_for_all_on_the_wire_is_none_whosever_network_it_is_for) {
    const DropScene scene;
    Drop drop = dropped("IP_INADDRERRORS", "ip_error+0x6a");
    EXPECT_TRUE(is_loss(drop, scene)) << "nothing is known of its frame";
    drop.samples.resize(2);
    drop.samples.front().for_many = true;
    EXPECT_TRUE(is_loss(drop, scene)) << "one was for this machine alone";
    drop.samples.back().for_many = true;
    EXPECT_FALSE(is_loss(drop, scene));
    drop.direction = "forward";
    EXPECT_TRUE(is_loss(drop, scene));
}

}  // namespace
}  // namespace waggle::agent
