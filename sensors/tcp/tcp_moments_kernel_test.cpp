// SPDX-License-Identifier: Apache-2.0
// The rows of single moments of a connection, of connections whose moments are known, beside the kernel's own counts
// (nstat).
#include <fcntl.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "sensors/tcp/testing/tcp_kernel.h"

namespace waggle::sensors {
namespace {

using namespace tcp_test;

const auto self = static_cast<__u32>(::getpid());

bool kernel_is_at_least(int major, int minor) {
    utsname system{};
    ::uname(&system);
    int has_major = 0, has_minor = 0;
    std::sscanf(system.release, "%d.%d", &has_major, &has_minor);
    return std::pair(has_major, has_minor) >= std::pair(major, minor);
}

class TcpMoments : public TcpKernel {
  protected:
    std::vector<tcp_moment_event> moments(const Netns& netns, __u16 kind) const {
        std::vector<tcp_moment_event> found;
        std::ranges::copy_if(moments_, std::back_inserter(found), [&](const tcp_moment_event& each) {
            return each.netns == netns.inode() && each.header.kind == kind;
        });
        return found;
    }
    std::size_t count(const Netns& netns, __u16 kind) const { return moments(netns, kind).size(); }

    std::string state(__u8 number) const { return std::string(names_.find("tcp_state", number)); }

    // The states that the sockets of that port went through: "CLOSE LISTEN, LISTEN CLOSE".
    std::string states(const Netns& netns, __u16 tcp_moment_event::* port, __u16 number) const {
        std::string out;
        for (const auto& each : moments(netns, tcp_kind_state)) {
            if (each.*port != number) continue;
            if (!out.empty()) out += ", ";
            out += state(each.before) + " " + state(each.after);
        }
        return out;
    }
};

TEST_F(TcpMoments, every_hook_is_to_be_had_where_its_table_is_asked_for) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {"tcp_reset", "tcp_incoming"}));
    for (const HookUse& hook : sensor_->hooks())
        EXPECT_FALSE(hook.hook.empty()) << hook.moment << hook.reason;
    EXPECT_EQ(sensor_->hooks().size(), 6u);
}

TEST_F(TcpMoments, each_attempt_and_each_connection_it_opens_is_a_row_of_who_connects) {
    const auto opens = client().counter("TcpActiveOpens");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {"tcp_attempt", "tcp_opened"}));
    for (const std::string host : {"192.0.2.2", "2001:db8::2"}) {
        const OwnedFd listener = listen_at(host, 7101);
        for (int i = 0; i < 5; ++i) connected(listener, host, 7101);
        for (int i = 0; i < 3; ++i) EXPECT_EQ(connect_from(client(), host, 7102), ECONNREFUSED);
    }
    collect_until([&] { return count(client(), tcp_kind_opened) >= 10; });
    EXPECT_EQ(count(client(), tcp_kind_attempt), 16u);
    EXPECT_EQ(count(client(), tcp_kind_attempt), client().counter("TcpActiveOpens") - opens);
    EXPECT_EQ(count(client(), tcp_kind_opened), 10u);
    EXPECT_EQ(moments_.size(), 26u) << "nothing that nobody asked for";
    for (const auto& each : moments_) {
        EXPECT_EQ(each.header.pid, self);
        EXPECT_EQ(each.header.comm, std::string(program_invocation_short_name).substr(0, 15));
        const bool v6 = each.remote_address.family == 6;
        EXPECT_TRUE(is_at(each.remote_address, v6 ? "2001:db8::2" : "192.0.2.2"));
        EXPECT_TRUE(is_at(each.local_address, v6 ? "2001:db8::1" : "192.0.2.1"));
        if (each.header.kind == tcp_kind_attempt) continue;
        EXPECT_EQ(each.remote_port, 7101);
        EXPECT_NE(each.local_port, 0);
        EXPECT_GT(each.took_ns, 0u);
    }
    EXPECT_EQ(lost(), 0u);
}

TEST_F(TcpMoments, each_connection_that_comes_is_a_row_of_who_listens) {
    const OwnedFd older = listen_at("::", 7103);
    const auto opens = server().counter("TcpPassiveOpens");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {"tcp_incoming"}));
    int ready[2] = {};
    require(::pipe2(ready, O_CLOEXEC) == 0, "pipe");
    const pid_t child = ::fork();
    if (child == 0) {
        const OwnedFd newer = listen_at("192.0.2.2", 7104);
        if (::write(ready[1], "r", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte = 0;
    require(::read(ready[0], &byte, 1) == 1, "listen in a child");
    for (int i = 0; i < 4; ++i) {
        connected(older, "192.0.2.2", 7103);
        connected(older, "2001:db8::2", 7103);
        EXPECT_EQ(connect_from(client(), "192.0.2.2", 7104), 0);
    }
    collect_until([&] { return count(server(), tcp_kind_incoming) >= 12; });
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    const auto rows = moments(server(), tcp_kind_incoming);
    EXPECT_EQ(rows.size(), 12u);
    EXPECT_EQ(rows.size(), server().counter("TcpPassiveOpens") - opens);
    for (const auto& each : rows) {
        EXPECT_EQ(each.header.pid, each.local_port == 7103 ? self : static_cast<__u32>(child));
        EXPECT_TRUE(
            is_at(each.remote_address, each.remote_address.family == 6 ? "2001:db8::1" : "192.0.2.1"));
        EXPECT_NE(each.remote_port, 0);
    }
    EXPECT_EQ(count(client(), tcp_kind_incoming), 0u);
}

TEST_F(TcpMoments, the_states_of_both_ends_are_told_in_their_order_with_the_time_in_each) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {"tcp_state"}));
    OwnedFd listener = listen_at("192.0.2.2", 7105);
    Pair pair = connected(listener, "192.0.2.2", 7105);
    std::this_thread::sleep_for(50ms);
    ::shutdown(pair.near.get(), SHUT_WR);
    wait_for_end(pair.far);
    pair.far.reset();
    wait_for_end(pair.near);
    const std::string near_states =
        "CLOSE SYN_SENT, SYN_SENT ESTABLISHED, ESTABLISHED FIN_WAIT1, FIN_WAIT1 FIN_WAIT2, FIN_WAIT2 CLOSE";
    const std::string far_states =
        "CLOSE LISTEN, LISTEN SYN_RECV, SYN_RECV ESTABLISHED, ESTABLISHED CLOSE_WAIT, CLOSE_WAIT LAST_ACK, "
        "LAST_ACK CLOSE";
    const auto told = [&](const std::string& far) {
        return states(client(), &tcp_moment_event::remote_port, 7105) == near_states &&
               states(server(), &tcp_moment_event::local_port, 7105) == far;
    };
    collect_until([&] { return told(far_states); });
    listener.reset();
    collect_until([&] { return told(far_states + ", LISTEN CLOSE"); });
    for (const auto& each : moments_) {
        EXPECT_EQ(each.header.pid, self) << "who connects, and who listens";
        const std::string before = state(each.before);
        if (before == "ESTABLISHED") {
            EXPECT_GE(each.took_ns, 45'000'000u);
            EXPECT_LT(each.took_ns, 60'000'000'000u);
        }
        if (before == "CLOSE" || state(each.after) == "SYN_RECV") {
            EXPECT_EQ(each.took_ns, 0u);
        }
    }
}

TEST_F(TcpMoments, each_segment_that_is_sent_again_is_told_as_often_as_the_kernel_counts_it) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {"tcp_retransmit"}));
    const OwnedFd listener = listen_at("192.0.2.2", 7106);
    Pair pair = connected(listener, "192.0.2.2", 7106);
    const auto before = client().counter("TcpRetransSegs");
    send_with_losses(pair, 7106);
    const auto again = client().counter("TcpRetransSegs") - before;
    const auto told = [&](int why) {
        std::uint64_t all = 0;
        for (const auto& each : moments(client(), tcp_kind_retransmit))
            if (why < 0 || each.what == why) all += each.segments;
        return all;
    };
    collect_until([&] { return sum(client(), &tcp_total_event::closed) >= 1; });
    EXPECT_GT(again, 0u);
    EXPECT_EQ(told(-1), again);
    EXPECT_EQ(told(tcp_again_timeout), sum(client(), &tcp_total_event::timeout_retransmits));
    EXPECT_EQ(told(tcp_again_fast), sum(client(), &tcp_total_event::fast_retransmits));
    EXPECT_EQ(told(tcp_again_other), sum(client(), &tcp_total_event::other_retransmits));
    for (const auto& each : moments(client(), tcp_kind_retransmit)) {
        EXPECT_EQ(each.header.pid, self);
        EXPECT_EQ(each.remote_port, 7106);
    }
}

TEST_F(TcpMoments, each_reset_is_told_by_who_sent_it_and_by_who_got_it) {
    const auto sent = server().counter("TcpOutRsts");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {"tcp_reset"}));
    const OwnedFd listener = listen_at("192.0.2.2", 7107);
    for (int i = 0; i < 3; ++i) {
        Pair pair = connected(listener, "192.0.2.2", 7107);
        send_all(pair.near, 10);
        char byte;
        require(::recv(pair.far.get(), &byte, 1, MSG_PEEK) == 1, "peek");
        pair.far.reset();
        EXPECT_EQ(::recv(pair.near.get(), &byte, 1, 0), -1);
    }
    for (const std::string host : {"192.0.2.2", "2001:db8::2"})
        EXPECT_EQ(connect_from(client(), host, 7108), ECONNREFUSED);
    collect_until([&] { return count(client(), tcp_kind_reset) >= 5; });
    const auto near = moments(client(), tcp_kind_reset), far = moments(server(), tcp_kind_reset);
    EXPECT_EQ(near.size(), 5u);
    for (const auto& each : near) {
        EXPECT_EQ(each.what, tcp_reset_received);
        EXPECT_EQ(each.header.pid, self);
        EXPECT_EQ(state(each.after), each.remote_port == 7107 ? "ESTABLISHED" : "SYN_SENT");
    }
    std::uint64_t of_closed = 0, of_none = 0;
    for (const auto& each : far) {
        EXPECT_EQ(each.what, tcp_reset_sent);
        EXPECT_NE(each.remote_port, 0);
        EXPECT_TRUE(
            is_at(each.remote_address, each.remote_address.family == 6 ? "2001:db8::1" : "192.0.2.1"));
        EXPECT_TRUE(is_at(each.local_address, each.local_address.family == 6 ? "2001:db8::2" : "192.0.2.2"));
        if (each.local_port == 7107) {
            ++of_closed;
            EXPECT_EQ(each.header.pid, self) << "who listens";
        } else {
            EXPECT_EQ(each.local_port, 7108);
            ++of_none;
        }
    }
    EXPECT_EQ(of_closed, 3u);
    // Before 6.10 the kernel's tracepoint leaves out what belongs to no socket.
    if (of_none != 0) {
        EXPECT_EQ(far.size(), server().counter("TcpOutRsts") - sent);
    }
    EXPECT_TRUE(of_none == 2 || (of_none == 0 && !kernel_is_at_least(6, 10)));
}

TEST_F(TcpMoments, no_moment_is_a_row_where_nobody_asks) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd listener = listen_at("192.0.2.2", 7109);
    Pair pair = connected(listener, "192.0.2.2", 7109);
    pair.near.reset();
    wait_for_end(pair.far);
    pair.far.reset();
    collect_until([&] { return connections_.size() >= 2; });
    EXPECT_TRUE(moments_.empty());
}

}  // namespace
}  // namespace waggle::sensors
