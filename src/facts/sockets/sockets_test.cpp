// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include <cstring>
#include <vector>

#include "facts/sockets/listener_memory.h"
#include "facts/sockets/local_ports.h"
#include "facts/sockets/socket_dump.h"
#include "model/columns.h"

namespace waggle::facts {
namespace {

class FakeClock final : public Clock {
  public:
    std::uint64_t monotonic_ns() const override { return now; }
    std::uint64_t realtime_ns() const override { return now; }
    std::uint64_t now = 1000;
};

struct Message {
    inet_diag_msg head{};
    nlattr memory_head{sizeof(nlattr) + 9 * 4, INET_DIAG_SKMEMINFO};
    std::uint32_t memory[9] = {2304, 4608, 0, 212992, 0, 0, 0, 0, 97};
    nlattr v6_head{sizeof(nlattr) + 1, INET_DIAG_SKV6ONLY};
    std::uint8_t v6_only = 1;
    std::uint8_t padding[3] = {};
};

Message udp_message() {
    Message message;
    message.head.idiag_family = AF_INET;
    message.head.idiag_state = TCP_CLOSE;
    message.head.id.idiag_sport = htons(5353);
    message.head.id.idiag_src[0] = inet_addr("192.0.2.1");
    message.head.id.idiag_cookie[0] = 5;
    message.head.id.idiag_cookie[1] = 1;
    message.head.idiag_inode = 777;
    message.head.idiag_rqueue = 2304;
    return message;
}

TEST(Sockets, a_message_of_the_kernel_becomes_a_socket) {
    SocketState socket;
    ASSERT_TRUE(parse_socket("udp", bytes_of(udp_message()), socket));
    EXPECT_EQ(socket_state_name(socket), "UNCONNECTED");
    EXPECT_TRUE(socket.listens());
    EXPECT_EQ(format_address(socket.local), "192.0.2.1");
    EXPECT_EQ(socket.local_port, 5353);
    EXPECT_EQ(socket.inode, 777u);
    EXPECT_EQ(socket.cookie, 0x100000005u);
    EXPECT_EQ(socket.receive_queue, 2304u);
    EXPECT_TRUE(socket.has_memory);
    EXPECT_EQ(socket.receive_buffer_used, 2304u);
    EXPECT_EQ(socket.receive_buffer, 4608u);
    EXPECT_EQ(socket.send_buffer, 212992u);
    EXPECT_EQ(socket.drops, 97u);
    EXPECT_TRUE(socket.v6_only);
}

TEST(Sockets, an_ipv4_address_on_an_ipv6_socket_stands_as_ipv4) {
    Message message = udp_message();
    message.head.idiag_family = AF_INET6;
    inet_pton(AF_INET6, "::ffff:192.0.2.9", message.head.id.idiag_src);
    inet_pton(AF_INET6, "2001:db8::1", message.head.id.idiag_dst);
    SocketState socket;
    ASSERT_TRUE(parse_socket("udp", bytes_of(message), socket));
    EXPECT_EQ(format_address(socket.local), "192.0.2.9");
    EXPECT_EQ(format_address(socket.peer), "2001:db8::1");
}

TEST(Sockets, a_message_cut_anywhere_is_refused_or_read_as_far_as_it_goes) {
    const Message message = udp_message();
    SocketState socket;
    for (std::size_t cut = 0; cut < sizeof message; ++cut) {
        const bool read = parse_socket("udp", bytes_of(message).first(cut), socket);
        EXPECT_EQ(read, cut >= sizeof(inet_diag_msg)) << cut;
        EXPECT_LE(socket.drops, 97u);
    }
}

TEST(Sockets, a_namespace_says_how_many_sockets_it_has) {
    constexpr std::string_view four =
        "sockets: used 11\nTCP: inuse 3 orphan 0 tw 9 alloc 301 mem 197\nUDP: inuse 2 mem 0\nUDPLITE: inuse "
        "0\n"
        "RAW: inuse 0\nFRAG: inuse 0 memory 0\n";
    constexpr std::string_view six = "TCP6: inuse 4\nUDP6: inuse 5\nUDPLITE6: inuse 0\nRAW6: inuse 1\n";
    const auto counts = parse_socket_counts(four, six);
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->programs, 11u);
    EXPECT_EQ(counts->tcp, 7u);
    EXPECT_EQ(counts->udp, 7u);
    EXPECT_FALSE(counts->none());
    EXPECT_TRUE(parse_socket_counts("sockets: used 0\nTCP: inuse 0\nUDP: inuse 0\n", "")->none());
    EXPECT_FALSE(parse_socket_counts("sockets: used 0\nTCP: inuse 0\nUDP: inuse 0\n", six)->none());
    EXPECT_FALSE(parse_socket_counts("", six)) << "then it is not known";
    EXPECT_FALSE(parse_socket_counts("sockets: used 0\nTCP: inuse 0\n", ""));
}

TEST(Sockets, the_ports_to_choose_from_are_those_of_the_range_without_the_reserved_ones) {
    const auto range = parse_port_range("32768\t60999\n", "\n");
    ASSERT_TRUE(range);
    EXPECT_EQ(range->first, 32768u);
    EXPECT_EQ(range->last, 60999u);
    EXPECT_EQ(range->ports, 28232u);
    EXPECT_EQ(parse_port_range("100 199", "8080,150,190-300,1-101")->ports, 100u - 1 - 10 - 2);
    EXPECT_TRUE(parse_port_range("100 199", "150")->has(149));
    EXPECT_FALSE(parse_port_range("100 199", "150")->has(150));
    EXPECT_FALSE(parse_port_range("", ""));
    EXPECT_FALSE(parse_port_range("200 100", ""));
    EXPECT_FALSE(parse_port_range("5", ""));
}

TEST(Sockets, what_an_older_kernel_does_not_tell_of_a_connection_is_not_known) {
    std::vector<std::byte> info(300);
    info[3] = std::byte{2};
    info[120] = std::byte{7};
    info[68] = std::byte{3};
    info[168] = std::byte{4};
    info[176] = std::byte{5};
    info[184] = std::byte{6};
    info[229] = std::byte{1};
    SocketState socket;
    read_tcp_info(Bytes(info).first(228), socket);
    EXPECT_FALSE(socket.has_tcp_info);
    read_tcp_info(info, socket);
    EXPECT_TRUE(socket.has_tcp_info);
    EXPECT_EQ(socket.unanswered_probes, 2u);
    EXPECT_EQ(socket.acked_bytes, 7u);
    EXPECT_EQ(socket.receiver_limited_ns, 5000u);
    EXPECT_EQ(socket.send_buffer_limited_ns, 6000u);
    EXPECT_EQ(socket.busy_ns, 4000u);
    EXPECT_EQ(socket.round_trip_ns, 3000u);
    EXPECT_EQ(socket.peer_window, 256u);
}

TEST(Sockets, only_listeners_listen) {
    SocketState socket;
    socket.protocol = "tcp";
    socket.state = TCP_LISTEN;
    EXPECT_TRUE(socket.listens());
    socket.state = TCP_ESTABLISHED;
    EXPECT_FALSE(socket.listens());
    socket.protocol = "udp";
    socket.state = TCP_CLOSE;
    EXPECT_FALSE(socket.listens()) << "not bound";
    socket.local_port = 53;
    EXPECT_TRUE(socket.listens());
    socket.peer_port = 99;
    EXPECT_FALSE(socket.listens()) << "connected";
}

class Memory : public testing::Test {
  protected:
    void read(const std::vector<std::pair<std::uint64_t, std::uint16_t>>& listeners, bool complete = true) {
        clock.now += 1000;
        memory.begin();
        for (const auto& [cookie, port] : listeners) {
            SocketState socket;
            socket.protocol = "tcp";
            socket.state = TCP_LISTEN;
            socket.cookie = cookie;
            socket.local_port = port;
            memory.saw(1, socket, "",
                       {static_cast<std::uint32_t>(cookie), 1, "server", "/bin/server", 0, {}});
        }
        memory.end(complete);
    }
    FakeClock clock;
    ListenerMemory memory{clock};
};

TEST_F(Memory, a_listener_that_is_gone_is_remembered_with_its_owner) {
    read({{10, 80}, {11, 443}});
    EXPECT_TRUE(memory.gone().empty());
    read({{11, 443}});
    ASSERT_EQ(memory.gone().size(), 1u);
    EXPECT_EQ(memory.gone()[0]->port, 80);
    EXPECT_EQ(memory.gone()[0]->owner.pid, 10u);
    EXPECT_EQ(memory.gone()[0]->last_seen_ns, 2000u);
}

TEST_F(Memory, a_port_that_another_socket_took_over_is_not_gone) {
    read({{10, 80}});
    read({{12, 80}});
    EXPECT_TRUE(memory.gone().empty());
}

TEST_F(Memory, a_read_that_failed_takes_nothing_for_gone) {
    read({{10, 80}});
    read({}, false);
    EXPECT_TRUE(memory.gone().empty());
}

TEST_F(Memory, the_oldest_are_forgotten_when_there_are_too_many) {
    std::vector<std::pair<std::uint64_t, std::uint16_t>> many;
    for (std::uint16_t i = 0; i < ListenerMemory::most; ++i) many.emplace_back(i + 1, i + 1);
    read(many);
    read({{100'000, 50'000}});
    EXPECT_EQ(memory.gone().size(), ListenerMemory::most - 1);
    read({{100'001, 50'001}, {100'002, 50'002}});
    EXPECT_EQ(memory.gone().size(), ListenerMemory::most - 2);
    EXPECT_NE(memory.owner_of(100'002), nullptr);
    EXPECT_EQ(memory.owner_of(1), nullptr);
}

}  // namespace
}  // namespace waggle::facts
