// SPDX-License-Identifier: Apache-2.0
// What packets look like: fragments, extension headers, VLANs, large segments; and more causes than fit.
#include <linux/if_packet.h>
#include <net/if.h>

#include "sensors/packet_drop/testing/packet_drop_network.h"

namespace waggle::sensors {
namespace {

using test::Inside;

class PacketDropFormsKernel : public PacketDropKernel {};

TEST_F(PacketDropFormsKernel, later_fragments_have_no_ports_and_say_that_they_are_fragments) {
    add_rule(server(), "prerouting", "ip daddr 192.0.2.2 ip protocol udp counter drop", -450);
    start(Mode::events);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40010), "192.0.2.2", 7790, 5, 3000);
    collect();
    const auto first = events("NETFILTER_DROP", 7790);
    const auto later = events("NETFILTER_DROP", 0);
    EXPECT_EQ(first.size(), 5u);
    EXPECT_EQ(later.size(), 10u);
    EXPECT_EQ(packets_of_rule(server()), 15u);
    for (const packet_drop_event& event : later) {
        EXPECT_EQ(event.fragment, 1);
        EXPECT_EQ(event.source_port, 0);
        EXPECT_EQ(text(event, "protocol"), "udp");
        EXPECT_EQ(text(event, "direction"), "in");
    }
    for (const packet_drop_event& event : first) {
        EXPECT_EQ(event.fragment, 1);
        EXPECT_EQ(event.length_bytes, 1500u);
    }
    EXPECT_EQ(total("NETFILTER_DROP", 7790).bytes + total("NETFILTER_DROP", 0).bytes, 5u * (3008 + 3 * 20));
}

TEST_F(PacketDropFormsKernel, ports_are_found_behind_ipv6_extension_headers) {
    add_rule(server(), "input", "ip6 daddr 2001:db8::2 meta l4proto udp counter drop");
    start(Mode::events);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "2001:db8::1", 40011);
    // A header of 8 bytes, filled by one padding option (PadN).
    const unsigned char options[8] = {0, 0, 1, 4};
    ASSERT_EQ(setsockopt(sender.get(), IPPROTO_IPV6, IPV6_DSTOPTS, options, sizeof options), 0);
    ASSERT_EQ(setsockopt(sender.get(), IPPROTO_IPV6, IPV6_HOPOPTS, options, sizeof options), 0);
    send_udp(sender, "2001:db8::2", 7791, 5);
    collect();
    const auto found = events("NETFILTER_DROP", 7791);
    ASSERT_EQ(found.size(), 5u);
    EXPECT_EQ(found.front().source_port, 40011);
    EXPECT_EQ(text(found.front(), "protocol"), "udp");
    EXPECT_EQ(found.front().length_bytes, 40u + 8 + 8 + 8 + 100);
}

TEST_F(PacketDropFormsKernel, later_ipv6_fragments_have_no_ports) {
    add_rule(server(), "prerouting", "ip6 daddr 2001:db8::2 exthdr frag exists counter drop", -450);
    start(Mode::events);
    send_udp(bound(client(), SOCK_DGRAM, "2001:db8::1", 40012), "2001:db8::2", 7792, 3, 2000);
    collect();
    EXPECT_EQ(events("NETFILTER_DROP", 7792).size(), 3u);
    const auto later = events("NETFILTER_DROP", 0);
    ASSERT_EQ(later.size(), 3u);
    EXPECT_EQ(later.front().fragment, 1);
    EXPECT_EQ(text(later.front(), "protocol"), "udp");
}

TEST_F(PacketDropFormsKernel, icmp_is_told_by_type_and_code) {
    add_rule(server(), "output", "icmp type destination-unreachable counter drop");
    start(Mode::events);
    send_udp(bound(client(), SOCK_DGRAM, "192.0.2.1", 40013), "192.0.2.2", 7793, 1);
    collect();
    const auto found = events("NETFILTER_DROP", 0);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(text(found.front(), "protocol"), "icmp");
    EXPECT_EQ(found.front().icmp_type, 3);
    EXPECT_EQ(found.front().icmp_code, 3);
    EXPECT_EQ(text(found.front(), "direction"), "out");
}

// Frames as they would come over the wire, of a kind nobody here takes: plain, and tagged for VLAN 42.
class PacketDropFrames : public PacketDropKernel {
  protected:
    static void send_frames(int count) {
        const OwnedFd wire = socket_in(client(), AF_PACKET, SOCK_RAW);
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_halen = 6;
        {
            const Inside inside(client());
            to.sll_ifindex = static_cast<int>(if_nametoindex("wire0"));
        }
        const std::string addresses("\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01", 12);
        const std::string carries("\x88\xb5", 2);  // EtherType 0x88b5: for local experiments
        const std::string payload(46, 'x');
        for (const std::string& tag : {std::string(), std::string("\x81\x00\x00\x2a", 4)})
            for (int i = 0; i < count; ++i) {
                std::string frame = addresses;
                frame.append(tag).append(carries).append(payload);
                require(::sendto(wire.get(), frame.data(), frame.size(), 0,
                                 reinterpret_cast<const sockaddr*>(&to),
                                 sizeof to) == static_cast<ssize_t>(frame.size()),
                        "send frame");
            }
    }
    std::vector<packet_drop_event> frames(std::string_view reason) const {
        std::vector<packet_drop_event> found;
        for (const packet_drop_event& event : events(reason, 0))
            if (event.ether_type == 0x88b5) found.push_back(event);
        return found;
    }
};

TEST_F(PacketDropFrames, frames_without_ip_keep_what_they_carry) {
    start(Mode::events);
    send_frames(3);
    collect();
    const auto found = frames("UNHANDLED_PROTO");
    ASSERT_EQ(found.size(), 6u);
    for (const packet_drop_event& event : found) {
        EXPECT_EQ(text(event, "direction"), "in");
        EXPECT_EQ(text(event, "protocol"), "none");
        EXPECT_EQ(text(event, "source"), "");
        EXPECT_EQ(text(event, "device"), "wire0");
        EXPECT_EQ(event.length_bytes, 46u);
        EXPECT_EQ(event.vlan_id, 0);  // the stack took the tag off when it found no such VLAN here
    }
}

TEST_F(PacketDropFrames, frames_dropped_at_the_device_keep_their_vlan) {
    server().run(
        "nft 'add table netdev t; add chain netdev t c { type filter hook ingress device wire0 priority 0; "
        "}; "
        "add rule netdev t c meta protocol 0x88b5 counter drop'");
    start(Mode::events);
    send_frames(3);
    collect();
    std::size_t plain = 0, tagged = 0;
    for (const packet_drop_event& event : frames("NETFILTER_DROP")) {
        EXPECT_EQ(event.length_bytes, 46u);
        EXPECT_EQ(text(event, "direction"), "in");
        plain += event.vlan_id == 0;
        tagged += event.vlan_id == 42;
    }
    EXPECT_EQ(plain, 3u);
    EXPECT_EQ(tagged, 3u);
}

TEST_F(PacketDropFormsKernel, a_large_segment_is_one_packet_here_and_many_on_the_wire) {
    const OwnedFd listener = bound(server(), SOCK_STREAM, "192.0.2.2", 7794);
    ASSERT_EQ(listen(listener.get(), 1), 0);
    const OwnedFd near = socket_in(client(), AF_INET, SOCK_STREAM);
    ASSERT_EQ(connect_to(near, "192.0.2.2", 7794), 0);
    const OwnedFd far(accept(listener.get(), nullptr, nullptr));
    add_rule(server(), "input", "tcp dport 7794 counter drop");
    start(Mode::events);
    const std::string much(14'480, 'x');
    ASSERT_EQ(send(near.get(), much.data(), much.size(), 0), static_cast<ssize_t>(much.size()));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    collect();
    const auto dropped = events("NETFILTER_DROP", 7794);  // among what devices say of themselves
    ASSERT_FALSE(dropped.empty());
    const packet_drop_event& first = dropped.front();
    EXPECT_EQ(text(first, "protocol"), "tcp");
    EXPECT_GT(first.segments, 1u);
    EXPECT_GT(first.length_bytes, 1500u);
    EXPECT_THAT(text(first, "tcp_flags"), testing::HasSubstr("ACK"));
}

TEST_F(PacketDropFormsKernel, when_causes_no_longer_fit_the_sum_stays_exact) {
    add_rule(server(), "input", "udp dport 10000-19999 counter drop");
    start(Mode::aggregate);
    const OwnedFd sender = bound(client(), SOCK_DGRAM, "192.0.2.1", 40014);
    for (std::uint16_t port = 10000; port < 20000; ++port) send_udp(sender, "192.0.2.2", port, 1);
    ASSERT_EQ(packets_of_rule(server()), 10'000u);
    // The overflow row has no namespace: what is ours is what the rule counted, all of it on this machine.
    std::uint64_t kept = 0, rest = 0, causes = 0;
    const std::string_view reason = "NETFILTER_DROP";
    sensor_->snapshot([&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor_->read(record);
            ASSERT_TRUE(row);
            if (row->schema().name != "packet_drop_total") continue;
            const auto& each = row->as<packet_drop_total>();
            if (text(each, "reason") != reason) continue;
            (each.overflow ? rest : kept) += each.packets;
            causes += !each.overflow;
        }
    });
    EXPECT_LE(causes, 8192u);
    EXPECT_GT(rest, 0u);
    EXPECT_EQ(kept + rest, 10'000u);
    for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
}

TEST_F(PacketDropFormsKernel, local_messages_are_routine_and_no_packets) {
    start(Mode::aggregate);
    for (int i = 0; i < 10; ++i) {
        int pair[2];
        ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
        ASSERT_EQ(send(pair[0], "unread", 6, 0), 6);
        close(pair[0]);
        close(pair[1]);
    }
    std::uint64_t messages = 0;
    collect();
    for (const packet_free_routine& each : routine_)
        if (text(each, "thing") == "UNIX socket message") messages += each.packets;
    EXPECT_GE(messages, 10u);
    EXPECT_THAT(totals_, testing::IsEmpty());
}

}  // namespace
}  // namespace waggle::sensors
