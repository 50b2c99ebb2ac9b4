// SPDX-License-Identifier: Apache-2.0
// Connections of known numbers between two hosts of the test's own (network namespaces), and the rows they
// must give. The second truth is the kernel's own count for each namespace (nstat).
#include "sensors/tcp/testing/tcp_kernel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

namespace waggle::sensors {
namespace {

using namespace tcp_test;

TEST_F(TcpKernel, each_connection_is_told_at_both_ends_with_its_bytes_and_who_closed_it) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    for (const std::string host : {"192.0.2.2", "2001:db8::2"}) {
        const OwnedFd listener = listen_at(host, 7001);
        for (int i = 0; i < 10; ++i) {
            Pair pair = connected(listener, host, 7001);
            send_all(pair.near, 100'000);
            receive_all(pair.far, 100'000);
            send_all(pair.far, 777);
            receive_all(pair.near, 777);
            OwnedFd& first = i % 2 == 0 ? pair.near : pair.far;
            OwnedFd& second = i % 2 == 0 ? pair.far : pair.near;
            ::shutdown(first.get(), SHUT_WR);
            wait_for_end(second);
            second.reset();
            wait_for_end(first);
            first.reset();
        }
    }
    collect_until([&] { return connections_.size() >= 40; });
    const auto near = connections(client(), tcp_role_active), far = connections(server(), tcp_role_passive);
    ASSERT_EQ(near.size(), 20u);
    ASSERT_EQ(far.size(), 20u);
    for (std::size_t i = 0; i < 20; ++i) {
        const bool v6 = i >= 10;
        EXPECT_EQ(near[i].header.pid, static_cast<__u32>(::getpid()));
        EXPECT_STREQ(near[i].header.comm, program_invocation_short_name);
        EXPECT_NE(near[i].header.start_ns, 0u);
        EXPECT_TRUE(is_at(near[i].remote_address, v6 ? "2001:db8::2" : "192.0.2.2"));
        EXPECT_TRUE(is_at(near[i].local_address, v6 ? "2001:db8::1" : "192.0.2.1"));
        EXPECT_EQ(near[i].remote_port, 7001);
        EXPECT_EQ(near[i].sent_bytes, 100'000u);
        EXPECT_EQ(near[i].received_bytes, 777u);
        EXPECT_EQ(near[i].ended, i % 2 == 0 ? tcp_end_closed_here : tcp_end_closed_there);
        EXPECT_EQ(near[i].error, 0u);
        EXPECT_GT(near[i].connect_ns, 0u);
        EXPECT_GE(near[i].lived_ns, near[i].connect_ns);
        EXPECT_GT(near[i].least_rtt_ns, 0u);
        EXPECT_EQ(far[i].header.pid, static_cast<__u32>(::getpid())) << "who closed it";
        EXPECT_EQ(far[i].local_port, 7001);
        EXPECT_TRUE(is_at(far[i].remote_address, v6 ? "2001:db8::1" : "192.0.2.1"));
        EXPECT_EQ(far[i].sent_bytes, 777u);
        EXPECT_EQ(far[i].received_bytes, 100'000u);
    }
    std::map<int, int> ends;
    for (const auto& each : far) ++ends[each.ended];
    EXPECT_EQ(ends[tcp_end_closed_here], 10);
    EXPECT_EQ(ends[tcp_end_closed_there], 10);
    EXPECT_EQ(lost(), 0u);
}

TEST_F(TcpKernel, an_ipv6_listener_tells_its_ipv4_clients_as_ipv4) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd listener = listen_at("::", 7002);
    Pair pair{socket_in(client(), AF_INET, SOCK_STREAM), {}};
    ASSERT_EQ(connect_to(pair.near, "192.0.2.2", 7002), 0);
    pair.far = OwnedFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    pair.near.reset();
    wait_for_end(pair.far);
    pair.far.reset();
    collect_until([&] { return connections(server(), tcp_role_passive).size() == 1; });
    EXPECT_TRUE(is_at(connections(server(), tcp_role_passive).at(0).remote_address, "192.0.2.1"));
    EXPECT_TRUE(is_at(connections(server(), tcp_role_passive).at(0).local_address, "192.0.2.2"));
}

TEST_F(TcpKernel, the_aggregate_mode_counts_what_the_kernel_counts_and_sends_no_record) {
    const auto actives = client().counter("TcpActiveOpens"), passives = server().counter("TcpPassiveOpens");
    const auto fails = client().counter("TcpAttemptFails");
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd listener = listen_at("192.0.2.2", 7003);
    for (int i = 0; i < 200; ++i) {
        Pair pair = connected(listener, "192.0.2.2", 7003);
        send_all(pair.near, 1000);
        receive_all(pair.far, 1000);
        pair.near.reset();
        wait_for_end(pair.far);
    }
    for (int i = 0; i < 30; ++i) EXPECT_EQ(connect_from(client(), "192.0.2.2", 7004), ECONNREFUSED);
    collect_until([&] {
        return sum(client(), &tcp_total_event::closed) == 200 &&
               sum(server(), &tcp_total_event::closed) == 200;
    });
    EXPECT_TRUE(connections_.empty());
    EXPECT_EQ(sum(client(), &tcp_total_event::attempts), 230u);
    EXPECT_EQ(sum(client(), &tcp_total_event::attempts), client().counter("TcpActiveOpens") - actives);
    EXPECT_EQ(sum(client(), &tcp_total_event::opened), 200u);
    EXPECT_EQ(sum(server(), &tcp_total_event::opened), server().counter("TcpPassiveOpens") - passives);
    EXPECT_EQ(sum(client(), &tcp_total_event::refused), 30u);
    EXPECT_EQ(sum(client(), &tcp_total_event::refused), client().counter("TcpAttemptFails") - fails);
    EXPECT_EQ(sum(client(), &tcp_total_event::sent_bytes), 200'000u);
    EXPECT_EQ(sum(server(), &tcp_total_event::received_bytes), 200'000u);
    EXPECT_EQ(latencies_, 200u);
    for (const auto& each : totals_) {
        if (each.netns == client().inode()) {
            EXPECT_EQ(each.header.pid, static_cast<__u32>(::getpid()));
            EXPECT_STREQ(each.header.comm, program_invocation_short_name);
            EXPECT_EQ(each.local_port, 0u) << "an ephemeral port is nobody's name";
            EXPECT_TRUE(each.remote_port == 7003 || each.remote_port == 7004);
        } else {
            EXPECT_EQ(each.header.pid, 0u) << "nobody's, while it lives";
            EXPECT_EQ(each.local_port, 7003u);
            EXPECT_EQ(each.remote_port, 0u);
        }
    }
    EXPECT_EQ(lost(), 0u);
}

TEST_F(TcpKernel, who_reset_a_connection_is_told_on_both_sides_and_the_kernel_counts_as_many) {
    const auto near_resets = client().counter("TcpEstabResets"),
               far_resets = server().counter("TcpEstabResets");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd listener = listen_at("192.0.2.2", 7005);
    for (int i = 0; i < 6; ++i) {
        Pair pair = connected(listener, "192.0.2.2", 7005);
        if (i < 3) {  // closed with data unread
            send_all(pair.near, 10);
            char byte;
            require(::recv(pair.far.get(), &byte, 1, MSG_PEEK) == 1, "peek");
            pair.far.reset();
        } else {
            const linger at_once{1, 0};
            ::setsockopt(pair.far.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
            pair.far.reset();
        }
        char byte;
        EXPECT_EQ(::recv(pair.near.get(), &byte, 1, 0), -1);
        EXPECT_EQ(errno, ECONNRESET);
    }
    collect_until([&] { return connections_.size() >= 12; });
    for (const auto& each : connections(client(), tcp_role_active)) {
        EXPECT_EQ(each.ended, tcp_end_reset_by_peer);
        EXPECT_EQ(each.error, static_cast<__u32>(ECONNRESET));
    }
    for (const auto& each : connections(server(), tcp_role_passive))
        EXPECT_EQ(each.ended, tcp_end_reset_here);
    EXPECT_EQ(sum(client(), &tcp_total_event::reset_by_peer),
              client().counter("TcpEstabResets") - near_resets);
    EXPECT_EQ(sum(server(), &tcp_total_event::reset_here), server().counter("TcpEstabResets") - far_resets);
    EXPECT_EQ(sum(client(), &tcp_total_event::reset_by_peer), 6u);
    EXPECT_EQ(sum(server(), &tcp_total_event::reset_here), 6u);
    EXPECT_EQ(sum(server(), &tcp_total_event::reset_unread), 3u);
    EXPECT_EQ(sum(server(), &tcp_total_event::unread_bytes), 30u);
    EXPECT_EQ(sum(server(), &tcp_total_event::reset_asked), 3u);
    EXPECT_EQ(sum(client(), &tcp_total_event::reset_unread) + sum(client(), &tcp_total_event::reset_asked),
              0u);
}

TEST_F(TcpKernel,
       why_a_connection_was_reset_is_told_after_the_other_sides_end_and_not_of_a_process_that_ends) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd listener = listen_at("192.0.2.2", 7015);
    for (const bool reads_the_end : {false, true}) {
        Pair pair = connected(listener, "192.0.2.2", 7015);
        send_all(pair.far, 5);
        pair.far.reset();
        receive_all(pair.near, 5);
        if (reads_the_end) wait_for_end(pair.near);
        const linger at_once{1, 0};
        ::setsockopt(pair.near.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        pair.near.reset();
    }
    Pair pair = connected(listener, "192.0.2.2", 7015);
    send_all(pair.far, 7);
    char byte;
    require(::recv(pair.near.get(), &byte, 1, MSG_PEEK) == 1, "peek");
    const pid_t child = ::fork();
    if (child == 0) ::pause();
    pair.near.reset();
    ::kill(child, SIGKILL);
    require(::waitpid(child, nullptr, 0) == child, "waitpid");
    collect_until([&] { return sum(client(), &tcp_total_event::reset_here) >= 3; });
    EXPECT_EQ(sum(client(), &tcp_total_event::reset_asked), 2u);
    EXPECT_EQ(sum(client(), &tcp_total_event::reset_unread), 0u) << "the child was killed";
}

TEST_F(TcpKernel, data_that_arrives_after_close_is_not_told_as_a_reset_by_the_other_side) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd listener = listen_at("192.0.2.2", 7006);
    Pair pair = connected(listener, "192.0.2.2", 7006);
    pair.far.reset();
    wait_for_end(pair.near);
    send_all(pair.near, 10);
    collect_until([&] { return connections_.size() >= 2; });
    ASSERT_EQ(connections(client(), tcp_role_active).size(), 1u);
    EXPECT_EQ(connections(client(), tcp_role_active)[0].ended, tcp_end_reset_in_closing);
    EXPECT_EQ(connections(client(), tcp_role_active)[0].error, static_cast<__u32>(EPIPE));
    ASSERT_EQ(connections(server(), tcp_role_passive).size(), 1u);
    EXPECT_EQ(connections(server(), tcp_role_passive)[0].ended, tcp_end_closed_here);
}

TEST_F(TcpKernel, an_attempt_without_an_answer_is_seen_while_it_lasts_and_told_when_the_program_gives_up) {
    server().run(
        "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; };"
        " add rule inet t c tcp dport 7007 drop'");
    const auto before = client().counter("TcpRetransSegs");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    {
        const OwnedFd fd = socket_in(client(), AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
        EXPECT_EQ(connect_to(fd, "192.0.2.2", 7007), EINPROGRESS);
        collect_until([&] { return sum(client(), &tcp_total_event::syn_retransmits) >= 1; });
        EXPECT_EQ(sum(client(), &tcp_total_event::unanswered), 1u);
        EXPECT_EQ(sum(client(), &tcp_total_event::opened), 0u);
        EXPECT_TRUE(connections_.empty());
    }
    collect_until([&] { return !connections_.empty(); });
    ASSERT_EQ(connections_.size(), 1u);
    EXPECT_EQ(connections_[0].ended, tcp_end_gave_up);
    EXPECT_EQ(connections_[0].received_segments, 0u);
    EXPECT_EQ(connections_[0].syn_retransmits, client().counter("TcpRetransSegs") - before);
    EXPECT_EQ(sum(client(), &tcp_total_event::syn_retransmits), client().counter("TcpRetransSegs") - before);
    EXPECT_EQ(sum(client(), &tcp_total_event::gave_up), 1u);
}

TEST_F(TcpKernel, the_kernel_gives_up_a_syn_and_icmp_that_refuses_is_not_called_a_refusal_by_the_service) {
    client().run(
        "sysctl -qw net.ipv4.tcp_syn_retries=1; sysctl -qw net.ipv4.tcp_syn_linear_timeouts=0 2>/dev/null || "
        "true");
    server().run(
        "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; };"
        " add rule inet t c tcp dport 7008 drop;"
        " add rule inet t c tcp dport 7009 reject with icmp port-unreachable;"
        " add rule inet t c tcp dport 7010 reject with icmp host-unreachable'");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    EXPECT_EQ(connect_from(client(), "192.0.2.2", 7008), ETIMEDOUT);
    EXPECT_EQ(connect_from(client(), "192.0.2.2", 7009), ECONNREFUSED);
    EXPECT_EQ(connect_from(client(), "192.0.2.2", 7010), EHOSTUNREACH);
    collect_until([&] { return connections_.size() >= 3; });
    client().run("sysctl -qw net.ipv4.tcp_syn_retries=6");
    ASSERT_EQ(connections_.size(), 3u);
    EXPECT_EQ(connections_[0].ended, tcp_end_no_answer);
    EXPECT_EQ(connections_[0].syn_retransmits, 1u);
    EXPECT_EQ(connections_[1].ended, tcp_end_unreachable);
    EXPECT_EQ(connections_[1].error, static_cast<__u32>(ECONNREFUSED));
    EXPECT_EQ(connections_[2].ended, tcp_end_unreachable);
    EXPECT_EQ(sum(client(), &tcp_total_event::unreachable), 2u);
    EXPECT_EQ(sum(client(), &tcp_total_event::no_answer), 1u);
}

TEST_F(TcpKernel, an_attempt_without_a_free_port_is_told_so_and_one_whose_own_port_is_taken_is_not) {
    client().run("sysctl -qw net.ipv4.ip_local_port_range='45000 45009'");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd listener = listen_at("::", 7013);
    std::vector<OwnedFd> open_ones;
    std::uint64_t none_free = 0;
    for (const std::string host : {"192.0.2.2", "2001:db8::2"})
        for (int i = 0; i < 15; ++i) {
            open_ones.push_back(socket_in(client(), family_of(host), SOCK_STREAM));
            const int error = connect_to(open_ones.back(), host, 7013);
            if (error == 0) continue;
            EXPECT_EQ(error, EADDRNOTAVAIL);
            ++none_free;
        }
    EXPECT_EQ(none_free, 10u);
    // The same error where a program asks for a port that has a connection there already. No port
    // of the kernel's own range: a connection of an earlier test can have ended on it just now.
    const OwnedFd fixed[] = {socket_in(client(), AF_INET, SOCK_STREAM),
                             socket_in(client(), AF_INET, SOCK_STREAM)};
    for (const OwnedFd& fd : fixed) {
        const int yes = 1;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        socklen_t length = 0;
        const sockaddr_storage at = address("192.0.2.1", 20046, length);
        require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), length) == 0, "bind");
    }
    EXPECT_EQ(connect_to(fixed[0], "192.0.2.2", 7013), 0);
    EXPECT_EQ(connect_to(fixed[1], "192.0.2.2", 7013), EADDRNOTAVAIL);
    collect_until([&] { return connections_.size() >= 11; });
    client().run("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'");
    EXPECT_EQ(sum(client(), &tcp_total_event::no_port), none_free);
    EXPECT_EQ(sum(client(), &tcp_total_event::attempts), 32u);
    EXPECT_EQ(sum(client(), &tcp_total_event::opened), 21u);
    std::uint64_t told = 0;
    for (const auto& each : connections_) told += each.ended == tcp_end_no_port;
    EXPECT_EQ(told, none_free);
}

TEST_F(TcpKernel, what_is_sent_again_is_counted_as_often_as_the_kernel_counts_it) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const auto before = client().counter("TcpRetransSegs");
    const OwnedFd listener = listen_at("192.0.2.2", 7011);
    Pair pair = connected(listener, "192.0.2.2", 7011);
    send_with_losses(pair, 7011);
    collect_until([&] { return sum(client(), &tcp_total_event::closed) >= 1; });
    const std::uint64_t again = sum(client(), &tcp_total_event::timeout_retransmits) +
                                sum(client(), &tcp_total_event::fast_retransmits) +
                                sum(client(), &tcp_total_event::other_retransmits);
    EXPECT_GT(again, 0u);
    EXPECT_EQ(again, client().counter("TcpRetransSegs") - before);
    EXPECT_EQ(sum(client(), &tcp_total_event::sent_bytes), 1'000'000u);
    EXPECT_GE(sum(client(), &tcp_total_event::sent_segments), again);
}

TEST_F(TcpKernel, a_connection_from_before_the_start_is_told_without_an_owner) {
    const OwnedFd listener = listen_at("192.0.2.2", 7012);
    Pair pair = connected(listener, "192.0.2.2", 7012);
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    pair.near.reset();
    wait_for_end(pair.far);
    pair.far.reset();
    collect_until([&] { return connections_.size() >= 2; });
    ASSERT_EQ(connections_.size(), 2u);
    for (const auto& each : connections_) {
        EXPECT_EQ(each.role, tcp_role_unknown);
        EXPECT_EQ(each.header.pid, 0u);
        EXPECT_EQ(each.lived_ns, 0u);
    }
}

TEST_F(TcpKernel, more_processes_than_the_map_holds_are_counted_together_and_the_sums_stay_exact) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    for (int port = 10'000; port < 15'000; ++port)
        connect_from(client(), "192.0.2.2", static_cast<std::uint16_t>(port));
    collect();
    EXPECT_EQ(sum(client(), &tcp_total_event::attempts), 5000u);
    EXPECT_EQ(sum(client(), &tcp_total_event::refused), 5000u);
    std::uint64_t together = 0;
    for (const auto& each : totals_)
        if (each.overflow) together += each.refused;
    EXPECT_GE(together, 900u);
    EXPECT_EQ(lost(), 0u);
}

}  // namespace
}  // namespace waggle::sensors
