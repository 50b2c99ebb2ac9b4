// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <deque>

#include "agent/drops/drop_cause.h"

namespace waggle::agent {
namespace {

class DropGroupTest : public testing::Test {
  protected:
    DropTalk& add(const std::string& source, const std::string& destination, std::uint16_t port,
                  std::int64_t packets, const std::string& flags = "SYN") {
        Drop& drop = drops_.emplace_back();
        drop.netns = 7;
        drop.direction = "in";
        drop.protocol = "tcp";
        drop.device = "eth0";
        drop.source = source;
        drop.destination = destination;
        drop.port = port;
        drop.packets = packets;
        lost_each_second(drop, 4);
        drop.samples.emplace_back().tcp_flags = flags;
        drop.talk.seen = packets;
        group_.add(drop);
        return drop.talk;
    }
    // Its packets, as `seconds` readings bring them that are a second apart.
    static void lost_each_second(Drop& drop, std::int64_t seconds) {
        drop.readings.clear();
        for (std::int64_t second = 0; second < seconds; ++second)
            drop.readings[static_cast<std::uint64_t>(second) * 1'000'000'000] =
                drop.packets / seconds + (second == 0 ? drop.packets % seconds : 0);
    }
    // As a number or a text; "-" where the group does not say it.
    std::string said(std::string_view column) {
        DropCause cause;
        group_.describe(cause, 60);
        const auto cell = cause.find(column);
        if (cell == cause.end()) return "-";
        if (const auto* number = std::get_if<std::int64_t>(&cell->second)) return std::to_string(*number);
        return std::get<std::string>(cell->second);
    }

    std::deque<Drop> drops_;  // the group points to them
    DropGroup group_;
};

TEST_F(DropGroupTest, a_figure_of_many_is_said_of_all_and_the_largest_has_its_own) {
    add("192.0.2.1", "192.0.2.9", 80, 40);
    add("192.0.2.2", "192.0.2.9", 443, 1960);
    EXPECT_EQ(group_.packets(), 2000);
    EXPECT_EQ(said("source"), "-");
    EXPECT_EQ(said("senders"), "2");
    EXPECT_EQ(said("top_source"), "192.0.2.2");
    EXPECT_EQ(said("top_source_packets"), "1960");
    EXPECT_EQ(said("destination"), "192.0.2.9");
    EXPECT_EQ(said("port"), "-");
    EXPECT_EQ(said("ports"), "2");
    EXPECT_EQ(said("top_port"), "443");
    EXPECT_EQ(said("top_port_packets"), "1960");
    EXPECT_EQ(said("alone_in"), "0");
    EXPECT_DOUBLE_EQ(group_.packets_per_second(60), 500);
    EXPECT_DOUBLE_EQ(group_.packets_per_second(2), 1000) << "not more time than was watched";
}

TEST_F(DropGroupTest, an_address_that_each_network_namespace_has_for_itself_is_alone_in_one) {
    add("127.0.0.1", "127.0.0.1", 80, 40);
    drops_.back().netns = 778;
    EXPECT_EQ(said("destination"), "127.0.0.1");
    EXPECT_EQ(said("alone_in"), "778");
}

TEST_F(DropGroupTest, what_one_late_reading_brought_is_spread_over_the_time_that_was_watched) {
    add("192.0.2.1", "192.0.2.9", 5060, 705);
    drops_.back().readings = {{14'000'000'000, 705}};
    EXPECT_DOUBLE_EQ(group_.packets_per_second(15), 47);
    drops_.back().readings = {{12'000'000'000, 605}, {13'000'000'000, 50}, {14'000'000'000, 50}};
    EXPECT_DOUBLE_EQ(group_.packets_per_second(15), 47) << "the first reading came late, the others in time";
}

TEST_F(DropGroupTest, a_last_reading_soon_after_another_does_not_raise_the_rate) {
    add("192.0.2.1", "239.1.1.7", 6000, 801);
    drops_.back().readings = {{1'000'000'000, 180},
                              {2'000'000'000, 180},
                              {3'000'000'000, 180},
                              {4'000'000'000, 180},
                              {4'450'000'000, 81}};
    EXPECT_NEAR(group_.packets_per_second(60), 180, 0.001);
    EXPECT_DOUBLE_EQ(group_.packets_per_second(4.5), 178) << "over all of it, as anybody would count";
}

TEST_F(DropGroupTest, many_drops_of_one_moment_are_no_time) {
    for (int last = 1; last <= 25; ++last) {
        add("192.0.2.2", "203.0.113." + std::to_string(last), 40000, 3);
        drops_.back().readings = {{3'000'000'000 + static_cast<std::uint64_t>(last) * 5'000'000, 3}};
    }
    EXPECT_DOUBLE_EQ(group_.packets_per_second(5), 15);
}

TEST_F(DropGroupTest, senders_that_take_turns_are_not_added_up) {
    for (std::uint64_t turn = 0; turn < 4; ++turn) {
        add("192.0.2.1" + std::to_string(turn), "192.0.2.9", 80, 40);
        drops_.back().readings.clear();
        for (std::uint64_t second = 0; second < 4; ++second)
            drops_.back().readings[(turn * 4 + second) * 1'000'000'000] = 10;
    }
    EXPECT_NEAR(group_.packets_per_second(60), 10, 0.001);
}

TEST_F(DropGroupTest, a_burst_is_no_rate_and_bursts_that_go_on_are) {
    add("192.0.2.1", "198.51.100.99", 9, 120);
    drops_.back().readings = {{3'000'000'000, 120}};
    EXPECT_DOUBLE_EQ(group_.packets_per_second(5), 24);
    drops_.back().packets = 360;
    drops_.back().readings = {{3'000'000'000, 120}, {6'000'000'000, 120}, {9'000'000'000, 120}};
    EXPECT_DOUBLE_EQ(group_.packets_per_second(60), 40) << "one every three seconds";
}

TEST_F(DropGroupTest, a_loss_that_began_while_it_was_watched_is_counted_from_there) {
    add("192.0.2.1", "192.0.2.9", 80, 60);
    drops_.back().readings = {{57'000'000'000, 20}, {58'000'000'000, 20}, {59'000'000'000, 20}};
    EXPECT_DOUBLE_EQ(group_.packets_per_second(60), 20);
}

TEST_F(DropGroupTest, what_all_have_in_common_is_said_plainly) {
    add("192.0.2.1", "192.0.2.9", 80, 3);
    EXPECT_EQ(said("source"), "192.0.2.1");
    EXPECT_EQ(said("top_source"), "-");
    EXPECT_EQ(said("protocol"), "tcp");
    EXPECT_EQ(said("port"), "80");
    EXPECT_EQ(said("ports"), "-");
}

TEST_F(DropGroupTest, a_scan_over_ports_is_scattered) {
    for (std::uint16_t port = 1; port <= 40; ++port) add("192.0.2.1", "192.0.2.9", port, 1);
    EXPECT_TRUE(group_.is_scattered());
}

TEST_F(DropGroupTest, a_traceroute_goes_to_ports_of_its_own_and_all_other_packets_do_not) {
    for (std::uint16_t port = 33434; port <= 33436; ++port) {
        add("192.0.2.1", "198.51.100.2", port, 6);
        drops_.back().protocol = "udp";
    }
    EXPECT_TRUE(group_.asks_for_the_way());
    add("192.0.2.1", "198.51.100.2", 33437, 6);
    EXPECT_FALSE(group_.asks_for_the_way()) << "tcp";
    drops_.back().protocol = "udp";
    EXPECT_TRUE(group_.asks_for_the_way());
    drops_.back().port = 53;
    EXPECT_FALSE(group_.asks_for_the_way()) << "a name server's";
}

TEST_F(DropGroupTest, answers_to_the_ports_of_many_connections_are_not_scattered) {
    for (std::uint16_t port = 40001; port <= 40040; ++port) add("192.0.2.1", "192.0.2.9", port, 1, "SYN|ACK");
    EXPECT_FALSE(group_.is_scattered());
}

TEST_F(DropGroupTest, knocks_of_many_senders_are_scattered_and_one_that_insists_is_not) {
    for (int sender = 1; sender <= 20; ++sender)
        add("192.0.2." + std::to_string(sender), "198.51.100.1", 22, 3);
    EXPECT_TRUE(group_.is_scattered());
    add("192.0.2.99", "198.51.100.1", 22, 300);
    EXPECT_FALSE(group_.is_scattered());
}

TEST_F(DropGroupTest, tries_and_answers_are_said_only_where_all_seen_are) {
    add("192.0.2.1", "192.0.2.9", 80, 5).tries = 5;
    EXPECT_EQ(said("tries"), "5");
    EXPECT_EQ(said("connection_answers"), "-");
    DropTalk& answers = add("192.0.2.1", "192.0.2.9", 81, 4);
    answers.answers = answers.seen;
    answers.answers_from = {443};
    answers.answer_states = {"invalid"};
    EXPECT_EQ(said("tries"), "-") << "some are answers";
    EXPECT_EQ(said("connection_answers"), "-") << "some are tries";
}

TEST_F(DropGroupTest, answers_are_told_with_the_port_that_answers) {
    for (const std::uint16_t port : {std::uint16_t{40001}, std::uint16_t{40002}}) {
        DropTalk& talk = add("192.0.2.1", "192.0.2.9", port, 4, "SYN|ACK");
        talk.answers = talk.seen;
        talk.answers_from = {443};
        talk.answer_states = {"invalid"};
    }
    EXPECT_EQ(said("connection_answers"), "8");
    EXPECT_EQ(said("request_answers"), "-");
    EXPECT_EQ(said("answer_port"), "443");
    EXPECT_EQ(said("answer_state"), "invalid");
}

TEST_F(DropGroupTest, three_packets_of_a_connection_that_is_tried_again_are_enough) {
    DropTalk& talk = add("192.0.2.1", "192.0.2.9", 80, 3);
    talk.tries_from = {{40001, 1}, {40002, 1}, {40003, 1}};
    EXPECT_FALSE(is_enough(group_, 60)) << "three strays";
    talk.tries_from = {{40001, 3}};
    EXPECT_TRUE(is_enough(group_, 60));
}

TEST_F(DropGroupTest, one_packet_each_second_is_enough_after_four_seconds) {
    DropTalk& talk = add("192.0.2.1", "192.0.2.9", 80, 5);
    lost_each_second(drops_.back(), 5);
    talk.seconds = {0, 1, 2};
    EXPECT_FALSE(is_enough(group_, 60));
    talk.seconds = {0, 1, 2, 3};
    EXPECT_TRUE(is_enough(group_, 60));
    drops_.back().readings = {
        {0, 1}, {10'000'000'000, 1}, {20'000'000'000, 1}, {30'000'000'000, 1}, {40'000'000'000, 1}};
    EXPECT_FALSE(is_enough(group_, 60)) << "one every ten seconds";
}

TEST_F(DropGroupTest, three_tries_that_waited_for_a_neighbour_are_enough) {
    DropTalk& talk = add("192.0.2.1", "192.0.2.9", 80, 3);
    talk.tries = talk.seen = 3;
    talk.seconds = {0, 3, 6};
    EXPECT_FALSE(is_enough(group_, 60)) << "lost for something else";
    drops_.back().reason = "NEIGH_FAILED";
    EXPECT_TRUE(is_enough(group_, 60));
    drops_.back().reason = "NOT_SPECIFIED";
    drops_.back().location = "neigh_invalidate+0x7e";
    EXPECT_TRUE(is_enough(group_, 60)) << "IPv6";
    talk.seconds = {0, 3};
    EXPECT_FALSE(is_enough(group_, 60)) << "two of them at one time";
    talk.seconds = {0, 3, 6};
    talk.tries = 0;
    EXPECT_FALSE(is_enough(group_, 60)) << "no try to connect";
}

TEST_F(DropGroupTest, a_few_packets_or_slow_ones_are_not_enough) {
    add("192.0.2.1", "192.0.2.9", 80, 9);
    EXPECT_FALSE(is_enough(group_, 60));
    add("192.0.2.1", "192.0.2.9", 80, 1);
    EXPECT_TRUE(is_enough(group_, 60));
    drops_.back().readings = {{50'000'000'000, 1}};
    EXPECT_FALSE(is_enough(group_, 60));
}

}  // namespace
}  // namespace waggle::agent
