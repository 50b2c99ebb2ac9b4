// SPDX-License-Identifier: Apache-2.0
// From a fault to the words: packets that a firewall, a slow reader or a missing listener loses.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <optional>

#include "agent/session.h"
#include "base/units.h"
#include "tests/support/netns.h"

namespace waggle::agent {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr const char* client_address = "192.0.2.1";
constexpr const char* server_address = "192.0.2.2";

sockaddr_in address_of(const char* text, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, text, &address.sin_addr);
    return address;
}

int bound(int type, const char* text, std::uint16_t port) {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const sockaddr_in address = address_of(text, port);
    return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? fd : -1;
}

// A process named `name` in the namespace, that opens something and then waits for its end.
class Service {
  public:
    Service(const test::Netns& netns, const char* name, const std::function<bool()>& open) {
        int ready[2];
        test::require(::pipe(ready) == 0, "pipe");
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::prctl(PR_SET_NAME, name);
            const bool good = ::setns(netns.fd(), CLONE_NEWNET) == 0 && open();
            const char said = good ? 'y' : 'n';
            if (::write(ready[1], &said, 1) == 1) ::pause();
            ::_exit(1);
        }
        ::close(ready[1]);
        char said = 0;
        EXPECT_EQ(::read(ready[0], &said, 1), 1);
        EXPECT_EQ(said, 'y') << name << " could not open its socket";
        ::close(ready[0]);
    }
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() { end(); }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    std::string pid() const { return std::to_string(pid_); }

  private:
    pid_t pid_ = 0;
};

class NetworkFindings : public testing::Test {
  protected:
    NetworkFindings() {
        client_.run("ip link add wire0 type veth peer name wire0 netns " + server_.path());
        client_.run("ip addr add 192.0.2.1/24 dev wire0; ip link set wire0 up");
        server_.run("ip addr add 192.0.2.2/24 dev wire0; ip link set wire0 up");
    }

    void SetUp() override {
        SessionOptions options;
        options.sensors = {"packet_drop"};
        auto started = Session::start(options, clock_);
        ASSERT_TRUE(started) << started.error().message;
        session_ = std::move(*started);
    }

    // The fault begins after the session has looked at what is there.
    void begin() { session_->read_baseline("drops"); }

    void send_udp(std::uint16_t port, int packets, std::uint16_t from = 0) const {
        const test::Inside inside(client_);
        const OwnedFd fd(from ? bound(SOCK_DGRAM, client_address, from) : ::socket(AF_INET, SOCK_DGRAM, 0));
        const sockaddr_in to = address_of(server_address, port);
        const std::string payload(400, 'x');
        for (int i = 0; i < packets; ++i)
            ::sendto(fd.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                     sizeof to);
    }
    void connect(std::uint16_t port, int times) {
        const test::Inside inside(client_);
        const sockaddr_in to = address_of(server_address, port);
        for (int i = 0; i < times; ++i) {
            clients_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
            ::connect(clients_.back().get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
        }
    }

    // The rule's finding of this test's namespaces, looked for until it is there or `seconds` are over.
    const explain::Finding* finding(const std::string& rule, std::uint64_t seconds) {
        const std::atomic<bool> stop{false};
        for (const std::uint64_t end = clock_.monotonic_ns() + seconds * second_ns;
             clock_.monotonic_ns() < end;) {
            session_->run(clock_.monotonic_ns() + second_ns / 2, stop, {});
            answer_ = session_->answer("drops");
            for (const explain::Finding& found : answer_.findings)
                if (found.rule == rule && is_ours(found)) return &found;
        }
        return nullptr;
    }

    bool is_ours(const explain::Finding& found) const {
        for (const auto& [key, value] : found.subject)
            if (key == "netns" &&
                (value == std::to_string(server_.inode()) || value == std::to_string(client_.inode())))
                return true;
        return false;
    }

    // Every piece of evidence can be asked for again, and says the same.
    void check_evidence(const explain::Finding& found, std::size_t pieces) {
        EXPECT_EQ(found.evidence.size(), pieces);
        for (const explain::Evidence& evidence : found.evidence) {
            const auto again = session_->store().sql().query(evidence.query);
            ASSERT_TRUE(again) << again.error().message << "\n" << evidence.query;
            EXPECT_EQ(again->rows.size(), evidence.rows.rows.size()) << evidence.query;
            EXPECT_GE(evidence.rows.rows.size(), 1u);
        }
        EXPECT_NE(found.impact, "");
        EXPECT_FALSE(found.try_.empty());
        EXPECT_THAT(found.check, Contains("waggle why drops --for 10s"));
    }

    // From fault to words in 5 s; an emulated machine runs some ten times slower.
    const std::uint64_t patience_ = std::getenv("WAGGLE_VM") ? 50 : 5;
    const SystemClock clock_;
    const test::Netns server_, client_;
    std::vector<OwnedFd> clients_;
    std::unique_ptr<Session> session_;
    explain::Answer answer_;
};

TEST_F(NetworkFindings, an_nft_rule_that_keeps_clients_from_a_service_is_named_with_both) {
    server_.run(
        "nft 'table inet fw { chain input { type filter hook input priority 0; policy accept; "
        "ct state established,related accept; udp dport 53 accept; tcp dport 7777 counter drop; }; }'");
    const Service service(server_, "shop",
                          [] { return ::listen(bound(SOCK_STREAM, "0.0.0.0", 7777), 16) == 0; });
    begin();
    connect(7777, 40);
    const explain::Finding* found = finding("firewall_drop", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what,
                testing::MatchesRegex(
                    "Firewall rule handle [0-9]+ in chain inet fw input \\(tcp dport 7777 counter drop\\) "
                    "dropped [0-9]+ packets from 192.0.2.1 to shop \\(pid " +
                    service.pid() + "\\), tcp port 7777\\."));
    const std::string listed = server_.run("nft -a list chain inet fw input");
    EXPECT_THAT(listed, HasSubstr("drop # " + found->object.name.substr(found->object.name.find("handle"))));
    EXPECT_EQ(found->object.kind, "firewall rule");
    EXPECT_EQ(found->object.value, "tcp dport 7777 counter drop");
    EXPECT_EQ(found->severity, explain::Severity::warning);
    EXPECT_EQ(found->confidence, explain::Confidence::high);
    EXPECT_THAT(found->try_, Contains(HasSubstr("nft insert rule inet fw input handle")));
    check_evidence(*found, 3);
}

TEST_F(NetworkFindings, what_the_finding_says_to_try_mends_it) {
    server_.run(
        "nft 'table ip fw { chain input { type filter hook input priority 0; policy accept; "
        "udp dport 7778 counter drop; }; }'");
    const Service service(server_, "shop", [] { return bound(SOCK_DGRAM, "0.0.0.0", 7778) >= 0; });
    begin();
    send_udp(7778, 50);
    const explain::Finding* found = finding("firewall_drop", patience_);
    ASSERT_NE(found, nullptr);
    ASSERT_FALSE(found->try_.empty());
    const std::string cure = found->try_.front();
    EXPECT_EQ(std::system(cure.c_str()), 0) << cure;
    const auto counted = [&] { return server_.run("nft list ruleset"); };
    const std::string before = counted();
    send_udp(7778, 20);
    EXPECT_EQ(counted(), before) << "the rule counts no more packets";
}

TEST_F(NetworkFindings, a_rule_of_iptables_legacy_is_named_by_chain_and_number) {
    server_.run(
        "iptables-legacy -A INPUT -p udp --dport 53 -j ACCEPT; "
        "iptables-legacy -A INPUT -s 192.0.2.0/25 -p udp --dport 7777 -j DROP");
    const Service service(server_, "shop", [] { return bound(SOCK_DGRAM, "0.0.0.0", 7777) >= 0; });
    begin();
    send_udp(7777, 30);
    const explain::Finding* found = finding("firewall_drop", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(
        found->what,
        HasSubstr(
            "Rule 2 of chain INPUT (iptables-legacy, table filter) (-A INPUT -s 192.0.2.0/25 -p udp -m udp "
            "--dport 7777 -j DROP) dropped 30 packets from 192.0.2.1 to shop (pid " +
            service.pid() + "), udp port 7777."));
    EXPECT_EQ(found->object.name, "iptables-legacy filter INPUT rule 2");
    EXPECT_THAT(found->because, Contains("The rule itself counted 30 packets in the same time."));
    EXPECT_THAT(found->try_,
                Contains(HasSubstr("iptables-legacy -t filter -I INPUT 2 -s 192.0.2.1 -p udp --dport 7777")));
    check_evidence(*found, 3);
}

TEST_F(NetworkFindings, a_rule_that_stops_a_program_of_this_machine_is_named_with_the_program) {
    client_.run(
        "nft 'table ip fw { chain out { type filter hook output priority 0; policy accept; udp dport 7779 "
        "drop; "
        "}; }'");
    begin();
    const Service sender(client_, "poller", [&] {
        send_udp(7779, 30);
        return true;
    });
    const explain::Finding* found = finding("firewall_drop", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what, HasSubstr("(udp dport 7779 drop) dropped 30 packets that poller (pid " +
                                       sender.pid() + ") sent to 192.0.2.2, udp port 7779."));
    check_evidence(*found, 2);
}

TEST_F(NetworkFindings, rules_that_both_may_have_dropped_are_shown_and_none_is_blamed) {
    server_.run(
        "nft 'table ip fw { chain input { type filter hook input priority 0; policy accept; "
        "udp dport 7777 meta mark 1 drop; udp dport 7777 ip ttl 64 drop; }; }'");
    const Service service(server_, "shop", [] { return bound(SOCK_DGRAM, "0.0.0.0", 7777) >= 0; });
    begin();
    send_udp(7777, 30);
    const explain::Finding* found = finding("firewall_drop", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what, HasSubstr("which rule cannot be told"));
    EXPECT_EQ(found->confidence, explain::Confidence::low);
    ASSERT_FALSE(found->evidence.empty());
    EXPECT_EQ(found->evidence[0].rows.rows.size(), 2u) << "both rules";
}

TEST_F(NetworkFindings, a_slow_udp_reader_at_the_machines_default_is_told_the_default) {
    const Service reader(server_, "collector", [] { return bound(SOCK_DGRAM, "0.0.0.0", 5353) >= 0; });
    begin();
    send_udp(5353, 2000);
    const explain::Finding* found = finding("udp_receiver_too_slow", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what, HasSubstr("collector (pid " + reader.pid() +
                                       ") reads its UDP socket on port 5353 too slowly"));
    std::ifstream file("/proc/sys/net/core/rmem_default");
    std::string size;
    file >> size;
    EXPECT_THAT(found->object.value, HasSubstr("limited by net.core.rmem_default = " + size));
    EXPECT_THAT(found->try_, Contains(HasSubstr("sysctl -w net.core.rmem_default=8388608")));
    check_evidence(*found, 3);
    // As many as the socket itself counted.
    const auto counted =
        session_->store().sql().query("SELECT drops FROM sockets WHERE pid = " + reader.pid());
    ASSERT_TRUE(counted);
    EXPECT_THAT(found->what,
                HasSubstr(format_count(counted->rows.at(0).at(0).integer) + " packets were lost"));
}

TEST_F(NetworkFindings, a_udp_reader_that_chose_a_small_buffer_is_told_so) {
    const Service reader(server_, "collector", [] {
        const int fd = bound(SOCK_DGRAM, "0.0.0.0", 5354);
        const int size = 4096;
        return ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0;
    });
    begin();
    send_udp(5354, 100);
    const explain::Finding* found = finding("udp_receiver_too_slow", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->because,
                Contains(HasSubstr("collector asked for a buffer of 4 KiB itself (SO_RCVBUF")));
    EXPECT_THAT(found->object.value, HasSubstr("SO_RCVBUF of the program"));
}

TEST_F(NetworkFindings, a_udp_reader_with_all_that_rmem_max_allows_is_told_rmem_max) {
    const Service reader(server_, "collector", [] {
        const int fd = bound(SOCK_DGRAM, "0.0.0.0", 5355);
        const int size = 1 << 30;
        return ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0;
    });
    begin();
    send_udp(5355, 12000);
    const explain::Finding* found = finding("udp_receiver_too_slow", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->because, Contains(HasSubstr("asked for all that is allowed: net.core.rmem_max is")));
    EXPECT_THAT(found->try_, Contains(HasSubstr("sysctl -w net.core.rmem_max=")));
}

TEST_F(NetworkFindings, a_port_whose_process_has_ended_is_told_with_the_process) {
    Service service(server_, "shop", [] { return ::listen(bound(SOCK_STREAM, "0.0.0.0", 8080), 16) == 0; });
    const std::string pid = service.pid();
    begin();
    service.end();
    connect(8080, 30);
    const explain::Finding* found = finding("no_listener", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->what, "Nobody listens on tcp port 8080 of 192.0.2.2 since shop (pid " + pid +
                               ") ended: 30 packets from 192.0.2.1 were refused.");
    EXPECT_EQ(found->severity, explain::Severity::warning);
    EXPECT_THAT(found->because, Contains(HasSubstr("listened on that port; it was last seen")));
    check_evidence(*found, 2);
}

TEST_F(NetworkFindings, a_port_nobody_ever_listened_on_is_a_note_with_the_sender) {
    begin();
    send_udp(8081, 30);
    const explain::Finding* found = finding("no_listener", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->what,
              "Nobody listens on udp port 8081 of 192.0.2.2: 30 packets from 192.0.2.1 were refused.");
    EXPECT_EQ(found->severity, explain::Severity::note);
    check_evidence(*found, 1);
}

TEST_F(NetworkFindings, a_service_that_listens_on_another_address_only_is_named) {
    const Service service(server_, "shop",
                          [] { return ::listen(bound(SOCK_STREAM, "127.0.0.1", 8082), 16) == 0; });
    begin();
    connect(8082, 30);
    const explain::Finding* found = finding("no_listener", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what, HasSubstr("tcp port 8082 of 192.0.2.2, only on 127.0.0.1: 30 packets"));
    EXPECT_THAT(found->try_,
                Contains("Let shop listen on 192.0.2.2 or on all addresses, not only on 127.0.0.1."));
}

TEST_F(NetworkFindings, a_full_accept_queue_is_told_with_its_backlog_and_somaxconn) {
    server_.run("sysctl -qw net.core.somaxconn=4");
    const Service service(server_, "shop",
                          [] { return ::listen(bound(SOCK_STREAM, "0.0.0.0", 8083), 100) == 0; });
    begin();
    connect(8083, 40);
    const explain::Finding* found = finding("accept_queue_overflow", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what,
                HasSubstr("shop (pid " + service.pid() + ") takes its connections on port 8083 too slowly"));
    EXPECT_EQ(found->object.value, "5 of 4 connections wait; net.core.somaxconn = 4");
    EXPECT_THAT(found->because,
                Contains("net.core.somaxconn is 4, and cuts what shop asks for in listen() to it."));
    EXPECT_THAT(found->because, Contains(HasSubstr("shop sleeps")));
    EXPECT_THAT(found->try_, Contains(HasSubstr("sysctl -w net.core.somaxconn=4096")));
    check_evidence(*found, 3);
}

TEST_F(NetworkFindings, a_backlog_that_the_program_chose_itself_is_told_so) {
    const Service service(server_, "shop",
                          [] { return ::listen(bound(SOCK_STREAM, "0.0.0.0", 8084), 3) == 0; });
    begin();
    connect(8084, 40);
    const explain::Finding* found = finding("accept_queue_overflow", patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->because,
                Contains(HasSubstr("shop asks for 3 in listen(); net.core.somaxconn would allow")));
}

TEST_F(NetworkFindings, stray_packets_are_no_finding) {
    server_.run(
        "nft 'table ip fw { chain input { type filter hook input priority 0; policy accept; udp dport 7777 "
        "drop; }; }'");
    const Service service(server_, "shop", [] {
        const int fd = bound(SOCK_DGRAM, "0.0.0.0", 7780);
        const int size = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        return ::listen(bound(SOCK_STREAM, "0.0.0.0", 7781), 1) == 0;
    });
    begin();
    send_udp(7777, 9);        // the firewall
    connect(7778, 5);         // nobody listens
    send_udp(7779, 9);        // nobody listens
    send_udp(50001, 40, 53);  // answers of a name server that come too late
    const std::atomic<bool> stop{false};
    session_->run(clock_.monotonic_ns() + 2 * second_ns, stop, {});
    const explain::Answer answer = session_->answer("drops");
    for (const explain::Finding& found : answer.findings) EXPECT_FALSE(is_ours(found)) << found.what;
    EXPECT_TRUE(answer.problems.empty()) << answer.problems.front();
    // There was something to be silent about.
    const auto dropped = session_->store().sql().query(
        "SELECT sum(packets) FROM packet_drop_total WHERE netns = " + std::to_string(server_.inode()));
    ASSERT_TRUE(dropped);
    EXPECT_GE(dropped->rows[0][0].integer, 9 + 5 + 9 + 40);
}

}  // namespace
}  // namespace waggle::agent
