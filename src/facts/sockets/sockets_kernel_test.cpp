// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cerrno>
#include <cstddef>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>
#include <vector>

#include "facts/makers.h"
#include "facts/sockets/socket_owners.h"
#include "facts/testing/fact_rows.h"
#include "facts/testing/netns_process.h"

namespace waggle::facts {
namespace {

int bound(int type, std::uint16_t port) {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback_address(port);
    const bool done = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    return done ? fd : -1;
}

// A UDP socket on `port` with the smallest buffer, and 100 packets sent to it that nobody reads.
int overfull_receiver(std::uint16_t port) {
    const int fd = bound(SOCK_DGRAM, port);
    const int size = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    send_udp(port, 100, 200);
    return fd < 0 ? 1 : 0;
}

// A TCP listener on `port` with this backlog, and `clients` connections that nobody accepts.
int full_listener(std::uint16_t port, int backlog, int clients) {
    const int fd = bound(SOCK_STREAM, port);
    if (fd < 0 || ::listen(fd, backlog) != 0) return 1;
    const sockaddr_in address = loopback_address(port);
    for (int i = 0; i < clients; ++i) {
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        // It does not wait: that the queue fills is what counts.
        if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
            errno != EINPROGRESS)
            return 1;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    return 0;
}

std::vector<FactRow> read_sockets() {
    const SystemClock clock;
    return fact_rows(*make_sockets({}, make_socket_reading(clock)));
}

// "rb2304" of skmem:(r0,rb2304,…,d97)
std::string memory_of_ss(const std::string& line, const std::string& key) {
    const std::size_t open = line.find("skmem:(");
    if (open == std::string::npos) return "-1";
    std::string rest = line.substr(open + 7);
    rest = "," + rest.substr(0, rest.find(')')) + ",";
    const std::size_t at = rest.find("," + key);
    if (at == std::string::npos) return "-1";
    const std::size_t start = at + 1 + key.size();
    return rest.substr(start, rest.find(',', start) - start);
}

TEST(SocketsKernel, a_udp_receiver_shows_the_buffer_drops_and_owner_that_ss_shows) {
    const NetnsProcess inside([] { return overfull_receiver(5353); });
    const FactRow row =
        only_row(read_sockets(), {{"netns", inside.inode()}, {"protocol", "udp"}, {"local_port", "5353"}});
    const std::string ss = inside.output("ss -uampnH");
    EXPECT_EQ(row.at("receive_buffer_bytes"), memory_of_ss(ss, "rb"));
    EXPECT_EQ(row.at("receive_buffer_used_bytes"), memory_of_ss(ss, "r"));
    EXPECT_EQ(row.at("drops"), memory_of_ss(ss, "d"));
    EXPECT_GT(std::stoi(row.at("drops")), 50);
    EXPECT_GT(std::stoi(row.at("receive_queue_bytes")), 0);
    EXPECT_EQ(row.at("pid"), inside.pid());
    EXPECT_EQ(row.at("comm"), "netns-child");
    EXPECT_EQ(row.at("exe"), std::filesystem::read_symlink("/proc/self/exe").string());
    EXPECT_EQ(row.at("state"), "UNCONNECTED");
    EXPECT_EQ(row.at("local_address"), "127.0.0.1");
    const FactRow counter =
        only_row(fact_rows(*make_net_counters({})), {{"netns", inside.inode()}, {"name", "UdpRcvbufErrors"}});
    EXPECT_EQ(counter.at("value"), row.at("drops"));
}

TEST(SocketsKernel, a_full_listener_shows_its_queue_backlog_and_refused_connections) {
    const NetnsProcess inside([] { return full_listener(8080, 3, 10); });
    // The clients ask again from time to time, so the count may grow between two looks at it.
    const int earlier = std::stoi(memory_of_ss(inside.output("ss -ltmnH"), "d"));
    const FactRow row = only_row(read_sockets(), {{"netns", inside.inode()}, {"state", "LISTEN"}});
    const int later = std::stoi(memory_of_ss(inside.output("ss -ltmnH"), "d"));
    EXPECT_EQ(row.at("local_port"), "8080");
    // The kernel lets one more than the backlog wait, and another where two arrive at the same moment.
    std::string waiting;
    std::istringstream(inside.output("ss -ltnH")) >> waiting >> waiting;
    EXPECT_EQ(row.at("accept_queue"), waiting);
    EXPECT_GE(std::stoi(row.at("accept_queue")), 4);
    EXPECT_EQ(row.at("accept_backlog"), "3");
    EXPECT_GE(std::stoi(row.at("drops")), earlier);
    EXPECT_LE(std::stoi(row.at("drops")), later);
    EXPECT_GE(earlier, 6);
    EXPECT_EQ(row.at("pid"), inside.pid());
    const FactRow counter = only_row(fact_rows(*make_net_counters({})),
                                     {{"netns", inside.inode()}, {"name", "TcpExtListenOverflows"}});
    EXPECT_GE(std::stoi(counter.at("value")), 6);
}

TEST(SocketsKernel, a_backlog_above_somaxconn_is_cut_to_it) {
    const NetnsProcess inside([] {
        return std::system("sysctl -qw net.core.somaxconn=5") != 0 ? 1 : full_listener(8081, 1000, 0);
    });
    const FactRow row = only_row(read_sockets(), {{"netns", inside.inode()}, {"state", "LISTEN"}});
    EXPECT_EQ(row.at("accept_backlog"), "5");
    const FactRow setting =
        only_row(fact_rows(*make_sysctls({})), {{"netns", inside.inode()}, {"name", "net.core.somaxconn"}});
    EXPECT_EQ(setting.at("number"), "5");
}

TEST(SocketsKernel, a_listener_that_ended_is_remembered_with_its_process) {
    const SystemClock clock;
    const auto reading = make_socket_reading(clock);
    const auto past = make_past_listeners({}, reading);
    std::string netns, pid;
    {
        const NetnsProcess inside([] { return full_listener(7070, 1, 0); });
        netns = inside.inode();
        pid = inside.pid();
        for (const FactRow& row : fact_rows(*past)) EXPECT_NE(row.at("netns"), netns);
    }
    const FactRow row = only_row(fact_rows(*past), {{"netns", netns}});
    EXPECT_EQ(row.at("local_port"), "7070");
    EXPECT_EQ(row.at("protocol"), "tcp");
    EXPECT_EQ(row.at("pid"), pid);
    EXPECT_EQ(row.at("comm"), "netns-child");
    EXPECT_GT(std::stoull(row.at("last_seen_ns")), 0u);
}

TEST(SocketsKernel, the_kernel_and_proc_name_the_same_owners) {
    const NetnsProcess inside([&] {
        const int fd = bound(SOCK_DGRAM, 4001);
        if (::dup(fd) < 0) return 1;  // held twice by one process, and by its child
        if (::fork() == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::pause();
        }
        return fd < 0 ? 1 : overfull_receiver(4002);
    });
    const auto rows = read_sockets();
    SocketOwners::Owners by_proc, by_kernel;
    for (const FactRow& row : rows)
        if (row.at("netns") == inside.inode())
            by_proc[static_cast<std::uint32_t>(std::stoul(row.at("inode")))] = {};
    ASSERT_EQ(by_proc.size(), 2u);
    by_kernel = by_proc;
    Procfs proc("/proc");
    SocketOwners::find_by_proc(proc, by_proc);
    SocketOwners owners;
    ASSERT_TRUE(owners.find_by_kernel(proc, by_kernel));
    for (const auto& [inode, owner] : by_proc) {
        EXPECT_EQ(owner.pid, by_kernel[inode].pid);
        EXPECT_EQ(owner.count, by_kernel[inode].count);
        EXPECT_EQ(owner.comm, by_kernel[inode].comm);
        EXPECT_EQ(owner.exe, by_kernel[inode].exe);
        EXPECT_EQ(std::to_string(owner.pid), inside.pid());
    }
    const FactRow shared = only_row(rows, {{"netns", inside.inode()}, {"local_port", "4001"}});
    EXPECT_EQ(shared.at("owners"), "2");
}

TEST(SocketsKernel, ports_held_towards_one_service_are_counted_by_the_state_that_ss_shows) {
    const NetnsProcess inside([] {
        // A port may be taken again from TIME_WAIT after a second on loopback, which a slow machine needs for all this.
        if (std::system("sysctl -qw net.ipv4.ip_local_port_range='45000 45099' net.ipv4.tcp_tw_reuse=0") != 0)
            return 1;
        const int listener = bound(SOCK_STREAM, 8082);
        if (listener < 0 || ::listen(listener, 128) != 0) return 1;
        const sockaddr_in address = loopback_address(8082);
        for (int i = 0; i < 80; ++i) {
            const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
            const int server = ::accept(listener, nullptr, nullptr);
            char byte;
            if (i < 40) {  // closed here first
                ::close(client);
                if (::read(server, &byte, 1) != 0) return 1;
                ::close(server);
            } else if (i < 60) {  // there first, and not here
                ::close(server);
                if (::read(client, &byte, 1) != 0) return 1;
            }
        }
        sockaddr_in other = loopback_address(0);
        other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
        for (int i = 0; i < 7; ++i) {
            const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::bind(client, reinterpret_cast<const sockaddr*>(&other), sizeof other) != 0) return 1;
            if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
        }
        return 0;
    });
    const FactRow row = only_row(fact_rows(*make_local_ports({})), {{"netns", inside.inode()}});
    EXPECT_EQ(row.at("local_address"), "127.0.0.1");
    EXPECT_EQ(row.at("peer_address"), "127.0.0.1");
    EXPECT_EQ(row.at("peer_port"), "8082");
    EXPECT_EQ(row.at("range_ports"), "100");
    EXPECT_EQ(row.at("taken"), "80");
    EXPECT_EQ(row.at("time_wait"), "40");
    EXPECT_EQ(row.at("close_wait"), "20");
    EXPECT_EQ(row.at("established"), "20");
    EXPECT_EQ(row.at("elsewhere"), "7");
    const std::string ss = inside.output("ss -tnH state time-wait dport = :8082");
    EXPECT_EQ(std::count(ss.begin(), ss.end(), '\n'), 40);
}

TEST(SocketsKernel, a_sender_whose_reader_does_not_read_shows_that_it_waits_for_room_as_ss_does) {
    const NetnsProcess inside([] {
        const int listener = bound(SOCK_STREAM, 8083);
        if (listener < 0 || ::listen(listener, 1) != 0) return 1;
        const sockaddr_in address = loopback_address(8083);
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int room = 1 << 20;
        ::setsockopt(client, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
        const std::vector<char> data(1 << 16);
        while (::send(client, data.data(), data.size(), MSG_DONTWAIT) > 0 || errno == EINTR) continue;
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        while (::send(client, data.data(), data.size(), MSG_DONTWAIT) > 0) continue;
        return ::accept(listener, nullptr, nullptr) < 0 ? 1 : 0;
    });
    const auto has_no_room = [&] {
        return inside.output("ss -tinH dport = :8083").find("rwnd_limited:") != std::string::npos;
    };
    for (int look = 0; look < 200 && !has_no_room(); ++look)
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const FactRow row = only_row(read_sockets(), {{"netns", inside.inode()}, {"peer_port", "8083"}});
    const std::string ss = inside.output("ss -tinH dport = :8083");
    EXPECT_NE(ss.find("bytes_acked:" + row.at("acked_bytes") + " "), std::string::npos) << ss;
    EXPECT_NE(ss.find("rwnd_limited:"), std::string::npos) << ss;
    EXPECT_GT(std::stoull(row.at("receiver_limited_ns")), 0u);
    EXPECT_GE(std::stoull(row.at("busy_ns")), std::stoull(row.at("receiver_limited_ns")));
    EXPECT_GT(std::stoull(row.at("round_trip_ns")), 0u);
    EXPECT_EQ(row.at("send_buffer_fixed"), "1");
    EXPECT_EQ(row.at("receive_buffer_fixed"), "0");
    EXPECT_EQ(row.at("peer_window_bytes"), "0");
    EXPECT_GT(std::stoull(row.at("send_queue_bytes")), 0u);
    const FactRow listener = only_row(read_sockets(), {{"netns", inside.inode()}, {"state", "LISTEN"}});
    EXPECT_FALSE(listener.contains("acked_bytes")) << "null";
}

TEST(SocketsKernel, what_was_read_of_a_connection_is_what_its_program_read) {
    constexpr std::size_t sent = 20'000, first_read = 12'345;
    // Two connections with as much in them: one is read in part, the other to its end.
    const NetnsProcess inside([] {
        const int listener = bound(SOCK_STREAM, 8084);
        if (listener < 0 || ::listen(listener, 2) != 0) return 1;
        const sockaddr_in address = loopback_address(8084);
        std::vector<char> data(sent);
        for (const bool whole : {false, true}) {
            const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            if (::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 1;
            if (::send(client, data.data(), data.size(), 0) != sent) return 1;
            const int taken = ::accept(listener, nullptr, nullptr);
            if (taken < 0 || (whole && ::shutdown(client, SHUT_WR) != 0)) return 1;
            const std::size_t wanted = whole ? sent : first_read;
            if (::recv(taken, data.data(), wanted, MSG_WAITALL) != static_cast<ssize_t>(wanted)) return 1;
            if (whole && ::recv(taken, data.data(), 1, 0) != 0) return 1;
        }
        return 0;
    });
    const FactRow part = only_row(
        read_sockets(), {{"netns", inside.inode()}, {"local_port", "8084"}, {"state", "ESTABLISHED"}});
    EXPECT_EQ(part.at("read_bytes"), std::to_string(first_read));
    EXPECT_EQ(part.at("receive_queue_bytes"), std::to_string(sent - first_read));
    // It has sent nothing: since it was opened.
    const std::string ss = inside.output("ss -tinH state established sport = :8084");
    const std::size_t lastsnd = ss.find("lastsnd:");
    ASSERT_NE(lastsnd, std::string::npos) << ss;
    const std::uint64_t asked_later_ns = std::stoull(ss.substr(lastsnd + 8)) * 1'000'000;
    EXPECT_LE(std::stoull(part.at("last_sent_ns")), asked_later_ns);
    EXPECT_GT(std::stoull(part.at("last_sent_ns")) + 5'000'000'000, asked_later_ns);
    const FactRow whole = only_row(read_sockets(), {{"netns", inside.inode()}, {"state", "CLOSE_WAIT"}});
    EXPECT_EQ(whole.at("receive_queue_bytes"), "0");
    // The kernel counts the end of the other side like a byte.
    EXPECT_EQ(whole.at("read_bytes"), std::to_string(sent + 1));
    EXPECT_NE(inside.output("ss -tinH state close-wait").find("bytes_received:" + whole.at("read_bytes")),
              std::string::npos);
}

TEST(SocketsKernel, reading_leaves_the_reader_in_its_own_namespace) {
    const auto before = std::filesystem::read_symlink("/proc/thread-self/ns/net");
    const NetnsProcess inside([] { return overfull_receiver(5354); });
    read_sockets();
    EXPECT_EQ(std::filesystem::read_symlink("/proc/thread-self/ns/net"), before);
}

// An abstract unix listener that takes nothing, and as many clients as get in.
int full_unix_listener(const std::string& name, int backlog) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listener, to, size) != 0 || ::listen(listener, backlog) != 0) return 1;
    for (int i = 0; i <= backlog; ++i)
        if (::connect(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), to, size) != 0)
            return 1;
    const int late = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return ::connect(late, to, size) != 0 && errno == EAGAIN ? 0 : 1;
}

TEST(FullUnixListenersKernel, a_queue_that_lets_nobody_in_is_told_with_its_owner_and_for_how_long) {
    const NetnsProcess inside([] { return full_unix_listener("waggle-full", 4); });
    const auto fact = make_full_unix_listeners({});
    fact_rows(*fact);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const FactRow row = only_row(fact_rows(*fact), {{"netns", inside.inode()}, {"path", "@waggle-full"}});
    EXPECT_EQ(row.at("waiting"), "5");
    EXPECT_EQ(row.at("backlog"), "4");
    EXPECT_EQ(row.at("looks"), "2");
    EXPECT_GE(std::stoull(row.at("full_ns")), 100'000'000u);
    EXPECT_EQ(row.at("owners"), "1");
    EXPECT_NE(row.at("pid"), "0");
}

}  // namespace
}  // namespace waggle::facts
