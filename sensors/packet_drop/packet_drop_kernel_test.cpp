// SPDX-License-Identifier: Apache-2.0
// Who dropped it, whose was it, and how many: known faults to the rows they must give.
#include <linux/sock_diag.h>

#include <array>

#include "sensors/packet_drop/testing/packet_drop_network.h"

namespace waggle::sensors {
namespace {

using testing::HasSubstr;

TEST_F(PacketDropKernel, five_hundred_packets_dropped_by_a_rule_are_five_hundred_drops) {
    add_rule(server(), "input", "udp dport 7777 counter drop");
    start(Mode::events);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "192.0.2.1", 40000);
    send_udp(sender, "192.0.2.2", 7777, 500);
    collect();

    const packet_drop_total sum = total("NETFILTER_DROP", 7777);
    EXPECT_EQ(sum.packets, 500u);
    EXPECT_EQ(sum.segments, 500u);
    EXPECT_EQ(sum.bytes, 500u * 128);
    EXPECT_EQ(packets_of_rule(server()), 500u);
    EXPECT_EQ(sum.netns, server().inode());
    EXPECT_EQ(sum.header.pid, 0u);  // it happens in an interrupt, whoever runs
    EXPECT_EQ(sum.overflow, 0u);
    EXPECT_EQ(text(sum, "source"), "192.0.2.1");
    EXPECT_EQ(text(sum, "destination"), "192.0.2.2");
    EXPECT_EQ(text(sum, "protocol"), "udp");
    EXPECT_EQ(text(sum, "direction"), "in");
    EXPECT_EQ(text(sum, "device"), "wire0");
    EXPECT_EQ(text(sum, "ether_type"), "ipv4");
    EXPECT_THAT(text(sum, "location"),
                testing::AnyOf(HasSubstr("nf_hook_slow+0x"), HasSubstr("nft_do_chain+0x")));

    const auto each = events("NETFILTER_DROP", 7777);
    ASSERT_EQ(each.size(), 500u);
    for (const packet_drop_event& event : each) {
        EXPECT_EQ(event.source_port, 40000);
        EXPECT_EQ(event.length_bytes, 128u);
        EXPECT_EQ(event.direction, packet_direction_in);
        EXPECT_EQ(event.netns, server().inode());
        EXPECT_EQ(event.routine, 0);
        EXPECT_EQ(event.fragment, 0);
    }
    for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
}

TEST_F(PacketDropKernel, the_always_on_mode_counts_all_and_sends_a_few_samples) {
    add_rule(server(), "input", "udp dport 7777 counter drop");
    start(Mode::aggregate);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "192.0.2.1", 40001);
    send_udp(sender, "192.0.2.2", 7777, 500);
    collect();
    EXPECT_EQ(total("NETFILTER_DROP", 7777).packets, 500u);
    const std::size_t samples = events("NETFILTER_DROP", 7777).size();
    EXPECT_GE(samples, 10u);
    EXPECT_LT(samples, 100u);

    // The next snapshot gives what was added since, and nothing once nothing is.
    totals_.clear();
    send_udp(sender, "192.0.2.2", 7777, 7);
    collect();
    EXPECT_EQ(total("NETFILTER_DROP", 7777).packets, 7u);
    totals_.clear();
    collect();
    EXPECT_THAT(totals_, testing::IsEmpty());
}

TEST_F(PacketDropKernel, a_flood_from_many_ports_is_one_cause) {
    add_rule(server(), "input", "udp dport 7777 counter drop");
    start(Mode::aggregate);
    for (std::uint16_t port = 41000; port < 41100; ++port)
        send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", port), "192.0.2.2", 7777, 3);
    collect();
    EXPECT_EQ(total("NETFILTER_DROP", 7777).packets, 300u);
}

TEST_F(PacketDropKernel, ipv6_is_read_like_ipv4) {
    add_rule(server(), "input", "udp dport 7777 counter drop");
    start(Mode::events);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "2001:db8::1", 40002);
    send_udp(sender, "2001:db8::2", 7777, 500);
    collect();
    const packet_drop_total sum = total("NETFILTER_DROP", 7777);
    EXPECT_EQ(sum.packets, 500u);
    EXPECT_EQ(sum.bytes, 500u * 148);
    EXPECT_EQ(text(sum, "source"), "2001:db8::1");
    EXPECT_EQ(text(sum, "destination"), "2001:db8::2");
    EXPECT_EQ(text(sum, "direction"), "in");
    EXPECT_EQ(text(sum, "ether_type"), "ipv6");
    const auto each = events("NETFILTER_DROP", 7777);
    ASSERT_EQ(each.size(), 500u);
    EXPECT_EQ(each.front().source_port, 40002);
}

TEST_F(PacketDropKernel, iptables_drops_read_like_those_of_nft) {
    server().run("iptables-legacy -A INPUT -p udp --dport 7778 -j DROP");
    start(Mode::aggregate);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40003), "192.0.2.2", 7778, 50);
    collect();
    const packet_drop_total sum = total("NETFILTER_DROP", 7778);
    EXPECT_EQ(sum.packets, 50u);
    EXPECT_EQ(text(sum, "direction"), "in");
    EXPECT_THAT(server().run("iptables-legacy -nvxL INPUT; iptables-legacy -F"),
                HasSubstr("50     6400 DROP"));
}

TEST_F(PacketDropKernel, a_packet_dropped_on_its_way_out_names_its_process_and_socket) {
    add_rule(client(), "output", "udp dport 7779 counter drop");
    start(Mode::events);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "192.0.2.1", 40004);
    send_udp(sender, "192.0.2.2", 7779, 20);
    collect();
    const packet_drop_total sum = total("NETFILTER_DROP", 7779);
    EXPECT_EQ(sum.packets, 20u);
    EXPECT_EQ(text(sum, "direction"), "out");
    EXPECT_EQ(text(sum, "device"), "wire0");
    EXPECT_EQ(sum.netns, client().inode());
    EXPECT_EQ(sum.header.pid, static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(sum.socket_inode, inode_of(sender));
    EXPECT_EQ(sum.socket_port, 40004u);
    EXPECT_EQ(sum.socket_uid, static_cast<std::int64_t>(getuid()));
    for (const packet_drop_event& event : events("NETFILTER_DROP", 7779)) {
        EXPECT_EQ(event.header.pid, static_cast<std::uint32_t>(getpid()));
        EXPECT_NE(event.header.start_ns, 0u);
    }
}

TEST_F(PacketDropKernel, a_full_sending_queue_drops_exactly_what_the_queue_counts) {
    client().run("tc qdisc add dev wire0 root tbf rate 8kbit burst 2000 limit 3000");
    start(Mode::aggregate);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40015), "192.0.2.2", 7789, 50, 400);
    const std::string queue = client().run("tc -s qdisc show dev wire0; tc qdisc del dev wire0 root");
    collect();
    const packet_drop_total sum = total("QDISC_DROP", 7789);
    EXPECT_GT(sum.packets, 20u);
    EXPECT_THAT(queue, HasSubstr("dropped " + std::to_string(sum.packets) + ","));
    EXPECT_EQ(text(sum, "direction"), "out");
    EXPECT_EQ(text(sum, "device"), "wire0");
    EXPECT_EQ(sum.header.pid, static_cast<std::uint32_t>(getpid()));
}

TEST_F(PacketDropKernel, a_port_nobody_listens_on_is_no_socket) {
    const std::uint64_t before = server().counter("UdpNoPorts");
    start(Mode::aggregate);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40005), "192.0.2.2", 7780, 30);
    send_udp(bound(client(), SOCK_DGRAM, "2001:db8::1", 40005), "2001:db8::2", 7781, 30);
    const OwnedFd stream = socket_in(client(), AF_INET, SOCK_STREAM);
    EXPECT_EQ(connect_to(stream, "192.0.2.2", 7782), -1);
    EXPECT_EQ(errno, ECONNREFUSED);
    collect();
    const packet_drop_total sum = total("NO_SOCKET", 7780);
    EXPECT_EQ(sum.packets, 30u);
    EXPECT_EQ(text(sum, "direction"), "in");
    EXPECT_EQ(sum.socket_inode, 0u);
    EXPECT_EQ(text(sum, "socket_uid"), "");
    EXPECT_EQ(total("NO_SOCKET", 7781).packets, 30u);
    const packet_drop_total refused = total("NO_SOCKET", 7782);
    EXPECT_EQ(refused.packets, 1u);
    EXPECT_EQ(text(refused, "protocol"), "tcp");
    EXPECT_EQ(server().counter("UdpNoPorts") - before, 30u);
    ASSERT_EQ(events("NO_SOCKET", 7782).size(), 1u);
    EXPECT_EQ(text(events("NO_SOCKET", 7782).front(), "tcp_flags"), "SYN");
}

TEST_F(PacketDropKernel, a_full_udp_buffer_drops_exactly_what_the_socket_counts) {
    const OwnedFd receiver = bound(server(), SOCK_DGRAM, "192.0.2.2", 7783);
    const int small = 4096;
    ASSERT_EQ(setsockopt(receiver.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    start(Mode::aggregate);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40006), "192.0.2.2", 7783, 300, 500);
    collect();
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t length = sizeof memory;
    ASSERT_EQ(getsockopt(receiver.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &length), 0);
    const packet_drop_total sum = total("SOCKET_RCVBUFF", 7783);
    EXPECT_GT(sum.packets, 200u);
    EXPECT_EQ(sum.packets, memory[SK_MEMINFO_DROPS]);
    EXPECT_EQ(text(sum, "direction"), "in");
    EXPECT_EQ(sum.netns, server().inode());
    EXPECT_EQ(sum.header.pid, 0u);
    // Linux 6.11 and later name the socket; the sensor says when it cannot.
    if (sensor_->hooks().front().lost.empty()) {
        EXPECT_EQ(sum.socket_inode, inode_of(receiver));
        EXPECT_EQ(sum.socket_port, 7783u);
    } else {
        EXPECT_THAT(sensor_->hooks().front().lost, HasSubstr("6.11"));
        EXPECT_EQ(sum.socket_inode, 0u);
    }
}

TEST_F(PacketDropKernel, queued_packets_of_a_socket_that_closes_are_no_loss) {
    OwnedFd receiver = bound(server(), SOCK_DGRAM, "192.0.2.2", 7784);
    start(Mode::aggregate);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40007), "192.0.2.2", 7784, 20);
    receiver.reset();
    collect();
    EXPECT_THAT(totals_, testing::IsEmpty());
}

TEST_F(PacketDropKernel, packets_for_a_group_or_for_all_that_nobody_wants_are_no_loss) {
    client().run("ip route replace 224.0.0.0/4 dev wire0");
    start(Mode::events);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "192.0.2.1", 40009);
    const int yes = 1;
    ASSERT_EQ(setsockopt(sender.get(), SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes), 0);
    for (const char* to : {"239.1.2.3", "192.0.2.255", "255.255.255.255"}) send_udp(sender, to, 7787, 5);
    collect();
    EXPECT_THAT(totals_, testing::IsEmpty());
    std::size_t seen = 0;
    for (const packet_drop_event& event : events_) {
        if (event.destination_port != 7787) continue;
        EXPECT_EQ(event.routine, 1) << line(event);
        ++seen;
    }
    EXPECT_GE(seen, 10u);
}

TEST_F(PacketDropKernel, a_tcp_connection_that_works_drops_nothing) {
    const OwnedFd listener = bound(server(), SOCK_STREAM, "192.0.2.2", 7785);
    ASSERT_EQ(listen(listener.get(), 16), 0);
    start(Mode::aggregate);
    for (int i = 0; i < 50; ++i) {
        OwnedFd near = socket_in(client(), AF_INET, SOCK_STREAM);
        ASSERT_EQ(connect_to(near, "192.0.2.2", 7785), 0);
        OwnedFd far(accept(listener.get(), nullptr, nullptr));
        ASSERT_EQ(send(near.get(), "question", 8, 0), 8);
        char buffer[16];
        ASSERT_EQ(recv(far.get(), buffer, sizeof buffer, 0), 8);
        ASSERT_EQ(send(far.get(), "answer", 6, 0), 6);
        ASSERT_EQ(recv(near.get(), buffer, sizeof buffer, 0), 6);
        if (i % 2) std::swap(near, far);  // either side closes first
        near.reset();
        far.reset();
    }
    collect();
    EXPECT_THAT(totals_, testing::IsEmpty());
}

// What a full accept queue looks like differs by kernel; README.md has the table. The socket's own counters
// are what tells it everywhere.
TEST_F(PacketDropKernel, a_full_accept_queue_names_the_listener_where_the_kernel_does) {
    const OwnedFd listener = bound(server(), SOCK_STREAM, "192.0.2.2", 7788);
    ASSERT_EQ(listen(listener.get(), 1), 0);
    const std::uint64_t before = server().counter("TcpExtListenOverflows");
    start(Mode::events);
    std::vector<OwnedFd> near;
    const auto begin = [&] {
        near.push_back(socket_in(client(), AF_INET, SOCK_STREAM | SOCK_NONBLOCK));
        connect_to(near.back(), "192.0.2.2", 7788);
    };
    begin();  // fills half the queue
    // Three more that all have their SYN answered before the first of them is through.
    add_rule(client(), "input", "tcp flags syn,ack / syn,ack drop");
    for (int i = 0; i < 3; ++i) begin();
    client().run("nft flush ruleset");
    for (int i = 0; i < 100 && server().counter("TcpExtListenOverflows") == before; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_GT(server().counter("TcpExtListenOverflows"), before);
    collect();
    std::size_t refused = 0;
    for (const packet_drop_event& event : events_) {
        if (event.destination_port != 7788 || text(event, "tcp_flags") != "ACK") continue;
        EXPECT_THAT(text(event, "reason"),
                    testing::AnyOf("TCP_LISTEN_OVERFLOW", "NOT_SPECIFIED", "NO_SOCKET"));
        EXPECT_THAT(text(event, "location"),
                    testing::AnyOf(HasSubstr("tcp_v4_rcv"), HasSubstr("tcp_v4_do_rcv"),
                                   HasSubstr("cookie_v4_check")));
        if (sensor_->hooks().front().lost.empty()) {
            EXPECT_EQ(event.socket_inode, inode_of(listener)) << line(event);
            EXPECT_EQ(event.routine, 0) << line(event);
        }
        ++refused;
    }
    EXPECT_GT(refused, 0u);
}

TEST_F(PacketDropKernel, a_packet_dropped_between_two_wires_is_forwarded) {
    add_rule(server(), "forward", "udp dport 7786 counter drop");
    start(Mode::aggregate);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40008), "198.51.100.2", 7786, 40);
    collect();
    const packet_drop_total sum = total("NETFILTER_DROP", 7786);
    EXPECT_EQ(sum.packets, 40u);
    EXPECT_EQ(text(sum, "direction"), "forward");
    EXPECT_EQ(text(sum, "device"), "wire0");
    EXPECT_EQ(sum.netns, server().inode());
    EXPECT_EQ(sum.header.pid, 0u);
    EXPECT_EQ(packets_of_rule(server()), 40u);
}

}  // namespace
}  // namespace waggle::sensors
