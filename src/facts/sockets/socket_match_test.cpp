// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/socket_match.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/put.h"
#include "facts/sockets/waiting_for.h"

namespace waggle::facts {
namespace {

// The columns of sockets and interfaces that matching reads.
struct socket_record {
    __u64 cookie;
    waggle_address local_address;
    waggle_address peer_address;
    __u32 netns;
    __u16 local_port;
    __u16 peer_port;
    char protocol[8];
    char state[16];
    char interface[16];
    __u8 v6_only;
    __u8 reserved[7];
};
constexpr Field socket_fields[] = {
    WAGGLE_FIELD(socket_record, cookie, Unit::identifier, "."),
    WAGGLE_FIELD(socket_record, local_address, Unit::none, "."),
    WAGGLE_FIELD(socket_record, peer_address, Unit::none, "."),
    WAGGLE_FIELD(socket_record, netns, Unit::identifier, "."),
    WAGGLE_FIELD(socket_record, local_port, Unit::identifier, "."),
    WAGGLE_FIELD(socket_record, peer_port, Unit::identifier, "."),
    WAGGLE_FIELD(socket_record, protocol, Unit::none, "."),
    WAGGLE_FIELD(socket_record, state, Unit::none, "."),
    WAGGLE_FIELD(socket_record, interface, Unit::none, "."),
    WAGGLE_FLAG(socket_record, v6_only, "."),
};
constexpr Schema socket_schema = {"sockets", ".", sizeof(socket_record), socket_fields, false};

struct interface_record {
    __u32 netns;
    __u32 ifindex;
    __u32 master_ifindex;
    __u32 reserved;
    char name[16];
    char kind[16];
};
constexpr Field interface_fields[] = {
    WAGGLE_FIELD(interface_record, netns, Unit::identifier, "."),
    WAGGLE_FIELD(interface_record, ifindex, Unit::identifier, "."),
    WAGGLE_FIELD(interface_record, master_ifindex, Unit::identifier, "."),
    WAGGLE_FIELD(interface_record, name, Unit::none, "."),
    WAGGLE_FIELD(interface_record, kind, Unit::none, "."),
};
constexpr Schema interface_schema = {"interfaces", ".", sizeof(interface_record), interface_fields, false};

waggle_address address(const char* text) {
    waggle_address out{};
    if (::inet_pton(AF_INET, text, out.bytes) == 1)
        out.family = 4;
    else if (::inet_pton(AF_INET6, text, out.bytes) == 1)
        out.family = 6;
    return out;
}

class Matching : public testing::Test {
  protected:
    static constexpr std::uint32_t netns = 7;

    struct Options {
        bool v6_only = false;
        std::string interface = {};
        const char* peer = "";
        std::uint16_t peer_port = 0;
        const char* protocol = "tcp";
    };
    // A socket on port 53 that waits; gives its cookie.
    std::uint64_t listens(const char* local, const Options& options) {
        socket_record row{};
        row.cookie = ++cookies_;
        row.netns = netns;
        row.local_address = address(local);
        row.peer_address = address(options.peer);
        row.local_port = 53;
        row.peer_port = options.peer_port;
        put(row.protocol, options.protocol);
        const bool tcp = row.protocol[0] == 't';
        put(row.state, tcp ? "LISTEN" : options.peer_port != 0 ? "ESTABLISHED" : "UNCONNECTED");
        put(row.interface, options.interface);
        row.v6_only = options.v6_only;
        sockets_.append(Row(socket_schema, bytes_of(row)));
        return row.cookie;
    }
    std::uint64_t listens(const char* local) { return listens(local, {}); }
    void device(const char* name, const char* kind, std::uint32_t index, std::uint32_t master) {
        interface_record row{netns, index, master, 0, {}, {}};
        put(row.name, name);
        put(row.kind, kind);
        interfaces_.append(Row(interface_schema, bytes_of(row)));
    }
    std::string fit(const SocketPlace& place, const char* destination, const char* by = "eth0") const {
        const auto fit = SocketMatch(&sockets_, &interfaces_).fits(netns, place, destination, by);
        return fit ? std::string(fit_words(*fit)) : "not known";
    }
    std::optional<bool> gets(std::uint64_t cookie, const char* destination, const char* by = "eth0",
                             const char* source = "192.0.2.9", std::uint16_t port = 999) const {
        return SocketMatch(&sockets_, &interfaces_).receives(cookie, {source, destination, port, by});
    }

    Table sockets_{socket_schema, 1 << 20};
    Table interfaces_{interface_schema, 1 << 20};
    std::uint64_t cookies_ = 0;
};

TEST_F(Matching, a_socket_on_all_addresses_takes_its_own_ip_version) {
    EXPECT_EQ(fit({"0.0.0.0", false, ""}, "192.0.2.2"), "yes");
    EXPECT_EQ(fit({"0.0.0.0", false, ""}, "2001:db8::2"), "IPv4 only");
    EXPECT_EQ(fit({"::", false, ""}, "2001:db8::2"), "yes");
    EXPECT_EQ(fit({"::", false, ""}, "192.0.2.2"), "yes");
    EXPECT_EQ(fit({"::", true, ""}, "192.0.2.2"), "IPv6 only");
}

TEST_F(Matching, a_socket_on_one_address_takes_that_alone) {
    EXPECT_EQ(fit({"192.0.2.2", false, ""}, "192.0.2.2"), "yes");
    EXPECT_EQ(fit({"127.0.0.1", false, ""}, "192.0.2.2"), "other address");
    EXPECT_EQ(fit({"::1", true, ""}, "127.0.0.1"), "other address");
    EXPECT_EQ(fit({"2001:db8::2", true, ""}, "2001:db8::2"), "yes");
}

TEST_F(Matching, a_socket_bound_to_a_device_takes_what_comes_by_it) {
    EXPECT_EQ(fit({"0.0.0.0", false, "eth0"}, "192.0.2.2"), "yes");
    EXPECT_EQ(fit({"0.0.0.0", false, "lo"}, "192.0.2.2"), "other device");
    EXPECT_EQ(fit({"0.0.0.0", false, "lo"}, "192.0.2.2", ""), "not known");
    EXPECT_EQ(fit({"127.0.0.1", false, "lo"}, "192.0.2.2", ""), "other address");
}

TEST_F(Matching, in_a_vrf_the_member_a_packet_came_by_is_known_only_where_it_has_one) {
    device("blue", "vrf", 10, 0);
    device("eth1", "", 11, 10);
    EXPECT_EQ(fit({"0.0.0.0", false, "eth1"}, "192.0.2.2", "blue"), "yes");
    EXPECT_EQ(fit({"0.0.0.0", false, "blue"}, "192.0.2.2", "blue"), "yes");
    device("eth2", "", 12, 10);
    device("eth3", "", 13, 0);
    EXPECT_EQ(fit({"0.0.0.0", false, "eth1"}, "192.0.2.2", "blue"), "not known");
    EXPECT_EQ(fit({"0.0.0.0", false, "eth3"}, "192.0.2.2", "blue"), "other device");
}

// As in an old recording, and in the tests of rules.
TEST_F(Matching, addresses_are_told_where_no_interfaces_and_no_sockets_are_known) {
    const SocketMatch alone(nullptr, nullptr);
    EXPECT_EQ(alone.fits(netns, {"127.0.0.1", false, ""}, "192.0.2.2", "eth0"), Fit::other_address);
    EXPECT_EQ(alone.fits(netns, {"0.0.0.0", false, ""}, "192.0.2.2", "eth0"), Fit::yes);
    EXPECT_EQ(alone.fits(netns, {"0.0.0.0", false, "lo"}, "192.0.2.2", "eth0"), std::nullopt);
    EXPECT_EQ(alone.receives(1, {"192.0.2.9", "192.0.2.2", 999, "eth0"}), std::nullopt);
}

TEST_F(Matching, of_two_programs_on_one_port_the_one_on_the_packets_address_gets_it) {
    const auto stub = listens("127.0.0.53", {.protocol = "udp"});
    const auto all = listens("0.0.0.0", {.protocol = "udp"});
    const auto named = listens("192.0.2.2", {.protocol = "udp"});
    EXPECT_EQ(gets(named, "192.0.2.2"), true);
    EXPECT_EQ(gets(all, "192.0.2.2"), false);
    EXPECT_EQ(gets(stub, "192.0.2.2"), false);
    EXPECT_EQ(gets(all, "192.0.2.3"), true);
    EXPECT_EQ(gets(stub, "127.0.0.53"), true);
    EXPECT_EQ(gets(99, "192.0.2.2"), std::nullopt) << "no such socket";
}

TEST_F(Matching, a_device_goes_before_none_and_an_address_before_a_device) {
    const auto plain = listens("0.0.0.0");
    const auto bound = listens("0.0.0.0", {.interface = "eth0"});
    EXPECT_EQ(gets(bound, "192.0.2.2"), true);
    EXPECT_EQ(gets(plain, "192.0.2.2"), false);
    EXPECT_EQ(gets(plain, "192.0.2.2", "eth1"), true);
    const auto own = listens("192.0.2.2");
    EXPECT_EQ(gets(own, "192.0.2.2"), true);
    EXPECT_EQ(gets(bound, "192.0.2.2"), false);
}

TEST_F(Matching, all_of_a_group_on_one_place_may_get_it) {
    const auto one = listens("0.0.0.0", {.protocol = "udp"});
    const auto two = listens("0.0.0.0", {.protocol = "udp"});
    EXPECT_EQ(gets(one, "192.0.2.2"), true);
    EXPECT_EQ(gets(two, "192.0.2.2"), true);
}

TEST_F(Matching, a_connected_socket_takes_its_partners_packets_alone) {
    const auto open = listens("192.0.2.2", {.protocol = "udp"});
    const auto connected = listens("192.0.2.2", {.peer = "192.0.2.9", .peer_port = 999, .protocol = "udp"});
    EXPECT_EQ(gets(connected, "192.0.2.2"), true);
    EXPECT_EQ(gets(open, "192.0.2.2"), false);
    EXPECT_EQ(gets(connected, "192.0.2.2", "eth0", "192.0.2.8"), false);
    EXPECT_EQ(gets(open, "192.0.2.2", "eth0", "192.0.2.8"), true);
    EXPECT_EQ(gets(connected, "192.0.2.2", "eth0", "", 0), std::nullopt);
}

TEST(WaitingFor, a_line_of_proc_syscall_is_read_or_refused) {
    const auto call = parse_system_call("45 0x7 0x55 0x2000 0x0 0x0 0x0 0x7ffdd77c8bc0 0x7f8afcda3aec\n");
    ASSERT_TRUE(call);
    EXPECT_EQ(call->number, 45);
    EXPECT_EQ(call->arguments[0], 7u);
    EXPECT_EQ(call->arguments[2], 0x2000u);
    EXPECT_FALSE(parse_system_call("running\n"));
    EXPECT_FALSE(parse_system_call("-1 0x7ffdd77c8bc0 0x7f8afcda3aec\n"));
    EXPECT_FALSE(parse_system_call("3 0x7 0x55 0x2000 0x0 0x0 0x0 0xffffd000 0xf7fa0559\n"))
        << "a 32-bit program";
    EXPECT_FALSE(parse_system_call(""));
}

}  // namespace
}  // namespace waggle::facts
