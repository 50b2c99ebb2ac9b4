// SPDX-License-Identifier: Apache-2.0
// For this room's kernel tests: three hosts on two wires, as network namespaces of the tests' own, and a
// sensor of which only their packets are looked at.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "model/columns.h"
#include "sensing/testing/drain_whole.h"
#include "sensors/packet_drop/packet_drop.event.h"
#include "sensors/packet_drop/packet_drop.h"
#include "tests/testing/netns.h"
#include "tests/testing/socket_address.h"

namespace waggle::sensors {

using test::address;
using test::family_of;
using test::Netns;
using test::require;
using test::socket_in;

inline OwnedFd bound(const Netns& netns, int type, const std::string& host, std::uint16_t port) {
    OwnedFd fd = socket_in(netns, family_of(host), type);
    socklen_t length = 0;
    const sockaddr_storage to = address(host, port, length);
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&to), length) == 0, "bind " + host);
    return fd;
}

inline int connect_to(const OwnedFd& fd, const std::string& host, std::uint16_t port) {
    socklen_t length = 0;
    const sockaddr_storage to = address(host, port, length);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length);
}

// Sends `count` datagrams; how each send ends is the kernel's to say.
inline void send_udp(const OwnedFd& fd, const std::string& host, std::uint16_t port, int count,
                     std::size_t bytes = 100) {
    socklen_t length = 0;
    const sockaddr_storage to = address(host, port, length);
    const std::string payload(bytes, 'x');
    for (int i = 0; i < count; ++i)
        ::sendto(fd.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&to), length);
}

// Packets go to and fro until both sides and all between know each other: none waits for an answer later.
inline void meet(const Netns& near, const std::string& near_host, const Netns& far,
                 const std::string& far_host) {
    const OwnedFd near_fd = bound(near, SOCK_DGRAM, near_host, 9);
    const OwnedFd far_fd = bound(far, SOCK_DGRAM, far_host, 9);
    bool near_heard = false, far_heard = false;
    for (int i = 0; i < 1000; ++i) {
        send_udp(near_fd, far_host, 9, 1);
        send_udp(far_fd, near_host, 9, 1);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        char byte;
        near_heard |= ::recv(near_fd.get(), &byte, 1, MSG_DONTWAIT) > 0;
        far_heard |= ::recv(far_fd.get(), &byte, 1, MSG_DONTWAIT) > 0;
        if (near_heard && far_heard) return;
    }
    errno = EHOSTUNREACH;
    require(false, far_host);
}

inline std::uint64_t inode_of(const OwnedFd& fd) {
    struct stat status{};
    require(::fstat(fd.get(), &status) == 0, "stat socket");
    return status.st_ino;
}

// client 192.0.2.1 -- 192.0.2.2 server 198.51.100.1 -- 198.51.100.2 beyond, each end named wire0 or wire1.
struct Network {
    Netns client, server, beyond;

    Network() {
        client.run("ip link add wire0 type veth peer name wire0 netns " + server.path());
        client.run(
            "ip addr add 192.0.2.1/24 dev wire0; ip addr add 2001:db8::1/32 dev wire0 nodad; "
            "ip link set wire0 up; ip route add 198.51.100.0/24 via 192.0.2.2");
        server.run("ip link add wire1 type veth peer name wire1 netns " + beyond.path());
        server.run(
            "ip addr add 192.0.2.2/24 dev wire0; ip addr add 2001:db8::2/32 dev wire0 nodad; "
            "ip link set wire0 up; ip addr add 198.51.100.1/24 dev wire1; ip link set wire1 up; "
            "sysctl -qw net.ipv4.ip_forward=1");
        beyond.run(
            "ip addr add 198.51.100.2/24 dev wire1; ip link set wire1 up; "
            "ip route add default via 198.51.100.1");
        meet(client, "192.0.2.1", server, "192.0.2.2");
        meet(client, "2001:db8::1", server, "2001:db8::2");
        meet(client, "192.0.2.1", beyond, "198.51.100.2");
    }
};

class PacketDropKernel : public testing::Test {
  protected:
    static void SetUpTestSuite() { network = std::make_unique<Network>(); }
    static void TearDownTestSuite() { network.reset(); }

    void TearDown() override {
        if (HasFailure()) print_rows();
        for (const Netns* each : {&client(), &server()}) each->run("nft flush ruleset");
    }

    static const Netns& client() { return network->client; }
    static const Netns& server() { return network->server; }

    void start(Mode mode) {
        StartOptions options;
        options.mode = mode;
        options.ring_bytes = 4u << 20;
        auto started = packet_drop_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }

    // Drops what a chain of the server or client matches: hook "input", rule "udp dport 7777 counter drop".
    static void add_rule(const Netns& netns, const std::string& hook, const std::string& rule,
                         int priority = 0) {
        netns.run("nft 'add table inet t; add chain inet t c { type filter hook " + hook + " priority " +
                  std::to_string(priority) + "; }; add rule inet t c " + rule + "'");
    }
    static std::uint64_t packets_of_rule(const Netns& netns) {
        const std::string rules = netns.run("nft list ruleset");
        const std::size_t at = rules.find("packets ");
        return at == std::string::npos ? 0 : std::stoull(rules.substr(at + 8));
    }

    // Takes over what the sensor has of our own hosts.
    void collect() {
        const auto keep = [&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                if (&row->schema() == sensor_->schemas()[packet_drop_kind_event])
                    keep_ours(row->as<packet_drop_event>(), events_);
                else if (&row->schema() == sensor_->schemas()[packet_drop_kind_total])
                    keep_ours(row->as<packet_drop_total>(), totals_);
                else
                    routine_.push_back(row->as<packet_free_routine>());
            }
        };
        drain_whole(*sensor_, keep);
        sensor_->snapshot(keep);
    }

    template <class Struct>
    std::string text(const Struct& record, std::string_view field) const {
        const Row row(*sensor_->schemas()[record.header.kind], bytes_of(record));
        for (const Column& column : columns_of(row.schema()))
            if (column.name == field) return format_column(row, column, {&names_, nullptr});
        return "no field " + std::string(field);
    }

    // The one total with that reason and destination port; fails when there are none or several.
    packet_drop_total total(std::string_view reason, std::uint16_t port) const {
        std::vector<packet_drop_total> found;
        for (const packet_drop_total& each : totals_)
            if (text(each, "reason") == reason && each.destination_port == port) found.push_back(each);
        EXPECT_EQ(found.size(), 1u) << reason << " to port " << port;
        return found.size() == 1 ? found.front() : packet_drop_total{};
    }

    std::vector<packet_drop_event> events(std::string_view reason, std::uint16_t port) const {
        std::vector<packet_drop_event> found;
        for (const packet_drop_event& each : events_)
            if (text(each, "reason") == reason && each.destination_port == port) found.push_back(each);
        return found;
    }

    template <class Struct>
    std::string line(const Struct& record) const {
        std::string out(sensor_->schemas()[record.header.kind]->name);
        for (const Column& column : columns_of(*sensor_->schemas()[record.header.kind]))
            if (column.field) out += " " + std::string(column.name) + "=" + text(record, column.name);
        return out;
    }

    void print_rows() const {
        for (const auto& each : totals_) std::puts(line(each).c_str());
        std::printf("events: %zu, the first of them:\n", events_.size());
        for (std::size_t i = 0; i < std::min<std::size_t>(events_.size(), 5); ++i)
            std::puts(line(events_[i]).c_str());
    }

    Names names_;
    std::unique_ptr<Running> sensor_;
    std::vector<packet_drop_event> events_;
    std::vector<packet_drop_total> totals_;
    std::vector<packet_free_routine> routine_;  // of the whole machine

  private:
    template <class Struct>
    static void keep_ours(const Struct& record, std::vector<Struct>& into) {
        for (const Netns* each : {&network->client, &network->server, &network->beyond})
            if (record.netns == each->inode()) into.push_back(record);
    }

    static inline std::unique_ptr<Network> network;
};

}  // namespace waggle::sensors
