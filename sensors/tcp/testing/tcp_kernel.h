// SPDX-License-Identifier: Apache-2.0
// Two hosts of the test's own (network namespaces) with a wire between them, the sensor, and its rows of these two.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "sensing/testing/rows.h"
#include "sensors/tcp/tcp.event.h"
#include "sensors/tcp/tcp.h"
#include "tests/testing/netns.h"
#include "tests/testing/socket_address.h"

namespace waggle::sensors::tcp_test {

using test::address;
using test::family_of;
using test::is_at;
using test::Netns;
using test::require;
using test::socket_in;
using namespace std::chrono_literals;

constexpr auto patience = 120s;  // an emulated machine is slow

inline int connect_to(const OwnedFd& fd, const std::string& host, std::uint16_t port) {
    socklen_t length = 0;
    const sockaddr_storage to = address(host, port, length);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length) == 0 ? 0 : errno;
}
inline int connect_from(const Netns& netns, const std::string& host, std::uint16_t port) {
    return connect_to(socket_in(netns, family_of(host), SOCK_STREAM), host, port);
}

// client 192.0.2.1, 2001:db8::1 -- 192.0.2.2, 2001:db8::2 server
struct Network {
    Netns client, server;

    Network() {
        client.run("ip link add wire0 type veth peer name wire0 netns " + server.path());
        client.run(
            "ip addr add 192.0.2.1/24 dev wire0; ip addr add 2001:db8::1/32 dev wire0 nodad; "
            "ip link set wire0 up");
        server.run(
            "ip addr add 192.0.2.2/24 dev wire0; ip addr add 2001:db8::2/32 dev wire0 nodad; "
            "ip link set wire0 up");
        // Until both sides know each other, so that no packet waits later.
        for (const std::string host : {"192.0.2.2", "2001:db8::2"})
            while (connect_from(client, host, 9) != ECONNREFUSED) std::this_thread::sleep_for(10ms);
    }
};

class TcpKernel : public testing::Test {
  protected:
    static void SetUpTestSuite() { network = std::make_unique<Network>(); }
    static void TearDownTestSuite() { network.reset(); }
    static const Netns& client() { return network->client; }
    static const Netns& server() { return network->server; }

    void TearDown() override {
        for (const Netns* each : {&client(), &server()}) each->run("nft flush ruleset");
        if (!HasFailure()) return;
        for (const auto& row : connections_) std::puts(line(row).c_str());
        for (const auto& row : totals_) std::puts(line(row).c_str());
        for (const auto& row : moments_) std::puts(line(row).c_str());
    }

    void start(Mode mode, std::vector<std::string> tables = {}) {
        StartOptions options;
        options.mode = mode;
        options.tables = std::move(tables);
        options.ring_bytes = 4u << 20;
        auto started = tcp_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }

    static OwnedFd listen_at(const std::string& host, std::uint16_t port, int backlog = 128) {
        OwnedFd fd = socket_in(server(), family_of(host), SOCK_STREAM);
        socklen_t length = 0;
        const sockaddr_storage at = address(host, port, length);
        const int yes = 1;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), length) == 0, "bind");
        require(::listen(fd.get(), backlog) == 0, "listen");
        return fd;
    }
    struct Pair {
        OwnedFd near, far;
    };
    static Pair connected(const OwnedFd& listener, const std::string& host, std::uint16_t port) {
        Pair pair{socket_in(client(), family_of(host), SOCK_STREAM), {}};
        require(connect_to(pair.near, host, port) == 0, "connect");
        pair.far = OwnedFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        require(static_cast<bool>(pair.far), "accept");
        return pair;
    }
    static void send_all(const OwnedFd& fd, std::size_t bytes) {
        const std::string payload(bytes, 'x');
        require(::send(fd.get(), payload.data(), bytes, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes), "send");
    }
    static void receive_all(const OwnedFd& fd, std::size_t bytes) {
        std::vector<char> buffer(bytes);
        require(::recv(fd.get(), buffer.data(), bytes, MSG_WAITALL) == static_cast<ssize_t>(bytes), "recv");
    }
    static void wait_for_end(const OwnedFd& fd) {
        char byte;
        require(::recv(fd.get(), &byte, 1, 0) == 0, "wait for the other side's end");
    }

    // A megabyte to the server's port, and the end: every seventh segment with data is lost on its way.
    static void send_with_losses(Pair& pair, std::uint16_t port) {
        server().run(
            "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; };"
            " add rule inet t c tcp dport " +
            std::to_string(port) + " meta length > 200 numgen inc mod 7 == 0 drop'");
        std::thread sender([&] {
            for (int i = 0; i < 50; ++i) send_all(pair.near, 20'000);
        });
        receive_all(pair.far, 1'000'000);
        sender.join();
        server().run("nft flush ruleset");
        pair.near.reset();
        wait_for_end(pair.far);
        pair.far.reset();
    }

    // Takes over what the sensor has of our own hosts.
    void collect() {
        const auto keep = [&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                if (row->schema().name == "tcp_connection")
                    keep_ours(row->as<tcp_connection_event>(), connections_);
                else if (row->schema().only_named)
                    keep_ours(row->as<tcp_moment_event>(), moments_);
                else if (keep_ours(row->as<tcp_total_event>(), totals_))
                    latencies_ += values_of(*row, "connect_histogram");
            }
        };
        sensor_->drain(keep);
        sensor_->snapshot(keep);
    }
    // Until it is so, or for a long time.
    void collect_until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + patience;
        for (collect(); !done() && std::chrono::steady_clock::now() < end; collect())
            std::this_thread::sleep_for(10ms);
        EXPECT_TRUE(done());
    }

    std::vector<tcp_connection_event> connections(const Netns& netns, __u8 role) const {
        std::vector<tcp_connection_event> found;
        for (const auto& each : connections_)
            if (each.netns == netns.inode() && each.role == role) found.push_back(each);
        return found;
    }
    std::uint64_t sum(const Netns& netns, __u64 tcp_total_event::* counter) const {
        std::uint64_t all = 0;
        for (const auto& each : totals_)
            if (each.netns == netns.inode()) all += each.*counter;
        return all;
    }
    std::uint64_t lost() const { return all_lost(*sensor_); }

    template <class Struct>
    std::string line(const Struct& record) const {
        return line_of(Row(*sensor_->schemas()[record.header.kind], bytes_of(record)), names_);
    }

    Names names_;
    std::unique_ptr<Running> sensor_;
    std::vector<tcp_connection_event> connections_;
    std::vector<tcp_total_event> totals_;
    std::vector<tcp_moment_event> moments_;
    std::uint64_t latencies_ = 0;  // values in the histograms

  private:
    template <class Struct>
    static bool keep_ours(const Struct& record, std::vector<Struct>& into) {
        for (const Netns* each : {&network->client, &network->server})
            if (record.netns == each->inode()) {
                into.push_back(record);
                return true;
            }
        return false;
    }
    static inline std::unique_ptr<Network> network;
};

}  // namespace waggle::sensors::tcp_test
