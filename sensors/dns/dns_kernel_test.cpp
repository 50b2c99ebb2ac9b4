// SPDX-License-Identifier: Apache-2.0
// Questions of known numbers to a name server of the test's own in another network namespace, and the rows they must
// give. The second witness of each figure is the test itself: it sends every question and answer, and measures.
// Long, because each way of asking is a scene of its own between the same two hosts.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "sensing/testing/drain_whole.h"
#include "sensing/testing/rows.h"
#include "sensors/dns/dns.event.h"
#include "sensors/dns/dns.h"
#include "sensors/dns/testing/test_messages.h"
#include "tests/testing/netns.h"
#include "tests/testing/socket_address.h"

namespace waggle::sensors {
namespace {

using test::address;
using test::answer_to;
using test::family_of;
using test::is_at;
using test::Netns;
using test::question;
using test::require;
using test::socket_in;
using namespace std::chrono_literals;
using namespace std::string_literals;

constexpr auto dns_patience = 120s;  // an emulated machine is slow

constexpr std::uint16_t type_a = 1, type_aaaa = 28;

// client 192.0.2.1, 2001:db8::1 -- 192.0.2.53, 2001:db8::53 server
struct DnsNetwork {
    Netns client, server;

    DnsNetwork() {
        client.run("ip link add wire0 type veth peer name wire0 netns " + server.path());
        client.run(
            "ip addr add 192.0.2.1/24 dev wire0; ip addr add 2001:db8::1/32 dev wire0 nodad; "
            "ip link set wire0 up");
        server.run(
            "ip addr add 192.0.2.53/24 dev wire0; ip addr add 192.0.2.54/24 dev wire0; "
            "ip addr add 2001:db8::53/32 dev wire0 nodad; ip link set wire0 up");
    }
};

class DnsKernel : public testing::Test {
  protected:
    static void SetUpTestSuite() { network = std::make_unique<DnsNetwork>(); }
    static void TearDownTestSuite() { network.reset(); }
    static const Netns& client() { return network->client; }
    static const Netns& server() { return network->server; }

    void TearDown() override {
        if (!HasFailure()) return;
        for (const std::string& each : lines_) std::puts(each.c_str());
    }

    void start(Mode mode) {
        StartOptions options;
        options.mode = mode;
        options.ring_bytes = 4u << 20;
        auto started = dns_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }

    static OwnedFd bound(const std::string& host, const Netns& where, int type = SOCK_DGRAM) {
        OwnedFd fd = socket_in(where, family_of(host), type);
        socklen_t length = 0;
        const sockaddr_storage at = address(host, 53, length);
        const int yes = 1;
        ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        require(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), length) == 0, "bind");
        if (type == SOCK_STREAM) require(::listen(fd.get(), 8) == 0, "listen");
        return fd;
    }
    static OwnedFd asker(const std::string& host, const Netns& where, int type = SOCK_DGRAM) {
        OwnedFd fd = socket_in(where, family_of(host), type);
        socklen_t length = 0;
        const sockaddr_storage to = address(host, 53, length);
        require(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), length) == 0, "connect");
        return fd;
    }
    static void send_to(const OwnedFd& fd, const std::string& message) {
        require(::send(fd.get(), message.data(), message.size(), MSG_NOSIGNAL) ==
                    static_cast<ssize_t>(message.size()),
                "send");
    }
    static std::string receive(const OwnedFd& fd) {
        pollfd wait{fd.get(), POLLIN, 0};
        require(::poll(&wait, 1, 60'000) == 1, "wait for a message");
        std::string buffer(2000, '\0');
        const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        require(got >= 0, "receive");
        buffer.resize(static_cast<std::size_t>(got));
        return buffer;
    }
    // Takes one question and answers it; who asked is read from the packet.
    static void serve_one(const OwnedFd& fd, const std::function<std::string(std::string)>& made,
                          std::chrono::milliseconds late = 0ms) {
        std::string buffer(2000, '\0');
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        pollfd wait{fd.get(), POLLIN, 0};
        require(::poll(&wait, 1, 60'000) == 1, "wait for a question");
        const ssize_t got = ::recvfrom(fd.get(), buffer.data(), buffer.size(), 0,
                                       reinterpret_cast<sockaddr*>(&from), &length);
        require(got > 0, "receive a question");
        buffer.resize(static_cast<std::size_t>(got));
        std::this_thread::sleep_for(late);
        const std::string out = made(buffer);
        require(::sendto(fd.get(), out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), length) ==
                    static_cast<ssize_t>(out.size()),
                "answer");
    }

    // Takes over what the sensor has of our own namespaces.
    void collect() {
        const auto keep = [&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                const auto netns = row->u64("netns");
                if (netns != client().inode() && netns != server().inode()) continue;
                lines_.push_back(line_of(*row, names_));
                if (row->schema().name == "dns_lookup")
                    lookups_.push_back({row->as<dns_lookup_event>(), std::string(row->text("name"))});
                else if (row->schema().name == "dns_failure")
                    failures_[std::string(row->text("name"))] += row->as<dns_failure_event>().times;
                else if (row->schema().name == "dns_waiting")
                    waiting_.push_back({row->as<dns_waiting_event>(), std::string(row->text("name"))});
                else {
                    totals_.push_back(row->as<dns_total_event>());
                    latencies_ += values_of(*row, "latency_histogram");
                }
            }
        };
        drain_whole(*sensor_, keep);
        sensor_->snapshot(keep);
    }
    void collect_until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + dns_patience;
        for (collect(); !done() && std::chrono::steady_clock::now() < end; collect())
            std::this_thread::sleep_for(20ms);
        EXPECT_TRUE(done());
    }

    std::uint64_t sum(__u64 dns_total_event::* counter) const {
        std::uint64_t all = 0;
        for (const auto& each : totals_) all += each.*counter;
        return all;
    }
    std::uint64_t lost() const { return all_lost(*sensor_); }
    struct Lookup {
        dns_lookup_event row;
        std::string name;
    };
    struct Waiting {
        dns_waiting_event row;
        std::string name;
    };
    Names names_;
    std::unique_ptr<Running> sensor_;
    std::vector<Lookup> lookups_;
    std::vector<Waiting> waiting_;
    std::vector<dns_total_event> totals_;
    std::map<std::string, std::uint64_t> failures_;
    std::vector<std::string> lines_;
    std::uint64_t latencies_ = 0;  // values in the histograms

  private:
    static inline std::unique_ptr<DnsNetwork> network;
};

TEST_F(DnsKernel, each_question_is_told_once_with_its_name_server_code_and_process) {
    for (const std::string host : {"192.0.2.53", "2001:db8::53"}) {
        lookups_.clear(), totals_.clear();
        ASSERT_NO_FATAL_FAILURE(start(Mode::events));
        const OwnedFd far = bound(host, server()), near = asker(host, client());
        const int codes[] = {dns_code_noerror, dns_code_nxdomain, dns_code_servfail, dns_code_refused};
        for (std::uint16_t i = 0; i < 20; ++i) {
            send_to(near,
                    question(i, "Host" + std::to_string(i) + ".example.org", i % 2 ? type_aaaa : type_a));
            serve_one(far, [&](const std::string& message) {
                return answer_to(message, codes[i % 4], false, i == 0);
            });
            receive(near);
        }
        collect_until([&] { return lookups_.size() >= 20; });
        ASSERT_EQ(lookups_.size(), 20u);
        for (std::uint16_t i = 0; i < 20; ++i) {
            const auto& [row, name] = lookups_[i];
            EXPECT_EQ(name, "Host" + std::to_string(i) + ".example.org");
            EXPECT_EQ(row.type, i % 2 ? type_aaaa : type_a);
            EXPECT_TRUE(is_at(row.server, host));
            EXPECT_EQ(row.server_port, 53);
            EXPECT_EQ(row.code, codes[i % 4]);
            EXPECT_EQ(row.answers, i == 0 ? 1 : 0);
            EXPECT_EQ(row.answer_bytes, question(i, name).size());
            EXPECT_EQ(row.tries, 1u);
            EXPECT_EQ(row.header.pid, static_cast<__u32>(::getpid()));
            EXPECT_STREQ(row.header.comm, program_invocation_short_name);
            EXPECT_NE(row.header.start_ns, 0u);
            EXPECT_NE(row.header.cgroup_id, 0u);
            EXPECT_EQ(row.netns, client().inode());
            EXPECT_GT(row.latency_ns, 0u);
            EXPECT_FALSE(row.tcp || row.truncated || row.cut);
        }
        EXPECT_EQ(sum(&dns_total_event::sent), 20u);
        EXPECT_EQ(sum(&dns_total_event::noerror), 5u);
        EXPECT_EQ(sum(&dns_total_event::empty), 4u);
        EXPECT_EQ(sum(&dns_total_event::nxdomain), 5u);
        EXPECT_EQ(sum(&dns_total_event::servfail), 5u);
        EXPECT_EQ(sum(&dns_total_event::refused), 5u);
        EXPECT_EQ(sum(&dns_total_event::sent_again), 0u);
        EXPECT_EQ(latencies_, 20u);
        EXPECT_EQ(lost(), 0u);
        latencies_ = 0;
    }
}

TEST_F(DnsKernel, the_aggregate_mode_counts_the_same_and_tells_the_names_that_failed) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd far = bound("192.0.2.53", server()), near = asker("192.0.2.53", client());
    for (std::uint16_t i = 0; i < 300; ++i) {
        send_to(near, question(i, i % 3 ? "there.example" : "missing.example"));
        serve_one(far, [&](const std::string& message) {
            return answer_to(message, i % 3 ? dns_code_noerror : dns_code_nxdomain, false, 1);
        });
        receive(near);
    }
    collect_until([&] { return sum(&dns_total_event::sent) >= 300; });
    EXPECT_TRUE(lookups_.empty());
    EXPECT_EQ(sum(&dns_total_event::sent), 300u);
    EXPECT_EQ(sum(&dns_total_event::noerror), 200u);
    EXPECT_EQ(sum(&dns_total_event::nxdomain), 100u);
    EXPECT_EQ(latencies_, 300u);
    EXPECT_EQ(failures_, (std::map<std::string, std::uint64_t>{{"missing.example", 100}}));
    EXPECT_EQ(lost(), 0u);
}

TEST_F(DnsKernel, latency_is_what_the_asker_measures) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = bound("192.0.2.53", server()), near = asker("192.0.2.53", client());
    std::vector<std::uint64_t> measured;
    for (std::uint16_t i = 0; i < 10; ++i) {
        const auto began = std::chrono::steady_clock::now();
        send_to(near, question(i, "late.example"));
        serve_one(far, [](const std::string& message) { return answer_to(message, 0, false, 1); }, 200ms);
        receive(near);
        measured.push_back(static_cast<std::uint64_t>((std::chrono::steady_clock::now() - began) / 1ns));
    }
    collect_until([&] { return lookups_.size() >= 10; });
    ASSERT_EQ(lookups_.size(), 10u);
    for (std::size_t i = 0; i < 10; ++i) {
        EXPECT_GE(lookups_[i].row.latency_ns, 200'000'000u);
        EXPECT_LE(lookups_[i].row.latency_ns, measured[i]);
    }
    std::uint64_t told = 0, all = 0;
    for (std::size_t i = 0; i < 10; ++i) told += lookups_[i].row.latency_ns, all += measured[i];
    EXPECT_NEAR(static_cast<double>(told), static_cast<double>(all),
                static_cast<double>(all) * (std::getenv("WAGGLE_VM") ? 0.25 : 0.05));
}

TEST_F(DnsKernel, a_question_by_tcp_after_a_truncated_answer_is_one_of_its_own) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = bound("192.0.2.53", server()), near = asker("192.0.2.53", client());
    send_to(near, question(7, "large.example", 16));
    serve_one(far, [](const std::string& message) { return answer_to(message, 0, true); });
    receive(near);
    const OwnedFd listener = bound("192.0.2.53", server(), SOCK_STREAM);
    for (const bool at_once : {true, false}) {  // the length before the message, and in a segment of its own
        const OwnedFd stream = asker("192.0.2.53", client(), SOCK_STREAM);
        const OwnedFd taken(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
        const auto send_message = [&](const OwnedFd& fd, const std::string& message) {
            const std::string length{static_cast<char>(message.size() >> 8),
                                     static_cast<char>(message.size())};
            if (at_once) return send_to(fd, length + message);
            send_to(fd, length);
            std::this_thread::sleep_for(50ms);
            send_to(fd, message);
        };
        const int no_delay = 1;
        for (const OwnedFd* each : {&stream, &taken})
            ::setsockopt(each->get(), IPPROTO_TCP, 1, &no_delay, sizeof no_delay);
        send_message(stream, question(7, "large.example", 16));
        std::this_thread::sleep_for(100ms);
        receive(taken);
        send_message(taken,
                     answer_to(question(7, "large.example", 16), 0, false, 9) + std::string(3000, 'x'));
        collect_until([&] { return lookups_.size() >= (at_once ? 2u : 3u); });
    }
    ASSERT_EQ(lookups_.size(), 3u);
    EXPECT_TRUE(lookups_[0].row.truncated && !lookups_[0].row.tcp);
    for (std::size_t i : {1, 2}) {
        EXPECT_TRUE(lookups_[i].row.tcp && !lookups_[i].row.truncated);
        EXPECT_EQ(lookups_[i].name, "large.example");
        EXPECT_EQ(lookups_[i].row.type, 16);
        EXPECT_EQ(lookups_[i].row.answers, 9);
        EXPECT_EQ(lookups_[i].row.header.pid, static_cast<__u32>(::getpid()));
    }
    EXPECT_EQ(sum(&dns_total_event::sent), 3u);
    EXPECT_EQ(sum(&dns_total_event::truncated), 1u);
    EXPECT_EQ(sum(&dns_total_event::empty), 0u) << "a truncated answer is not an empty one";
}

TEST_F(DnsKernel, what_is_sent_again_from_another_socket_to_another_server_stays_one_question) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd silent = bound("192.0.2.54", server()), far = bound("192.0.2.53", server());
    {
        const OwnedFd first = asker("192.0.2.54", client());
        send_to(first, question(9, "again.example"));
        std::this_thread::sleep_for(1200ms);
        collect();
    }
    const OwnedFd second = asker("192.0.2.53", client());
    send_to(second, question(9, "again.example"));
    serve_one(far, [](const std::string& message) { return answer_to(message, 0, false, 1); });
    receive(second);
    collect_until([&] { return !lookups_.empty(); });
    ASSERT_EQ(lookups_.size(), 1u);
    EXPECT_EQ(lookups_[0].row.tries, 2u);
    EXPECT_TRUE(is_at(lookups_[0].row.server, "192.0.2.53"));
    EXPECT_GE(lookups_[0].row.latency_ns, 1'200'000'000u);
    ASSERT_EQ(waiting_.size(), 1u);
    EXPECT_TRUE(is_at(waiting_[0].row.server, "192.0.2.54"));
    EXPECT_GE(waiting_[0].row.waited_ns, 1'200'000'000u);
    EXPECT_EQ(waiting_[0].name, "again.example");
    for (const auto& each : totals_) {
        if (is_at(each.server, "192.0.2.54"))
            EXPECT_EQ(each.noerror, 0u);
        else
            EXPECT_EQ(each.sent_again, 0u);
    }
    EXPECT_EQ(sum(&dns_total_event::sent_again), 1u);
    EXPECT_EQ(sum(&dns_total_event::noerror), 1u);
    EXPECT_LE(sum(&dns_total_event::latency_ns) + 1'200'000'000u, lookups_[0].row.latency_ns)
        << "what the silent server took is not the other one's time";
    EXPECT_EQ(sum(&dns_total_event::sent), 2u);
}

TEST_F(DnsKernel, a_question_that_nobody_answers_waits_and_is_then_told_as_one_without_an_answer) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd silent = bound("192.0.2.54", server()), near = asker("192.0.2.54", client());
    send_to(near, question(11, "silent.example"));
    collect_until([&] { return !lookups_.empty(); });
    ASSERT_EQ(lookups_.size(), 1u);
    EXPECT_EQ(lookups_[0].row.code, dns_code_no_answer);
    EXPECT_EQ(lookups_[0].name, "silent.example");
    EXPECT_GE(lookups_[0].row.waited_ns, 6'000'000'000u);
    EXPECT_EQ(lookups_[0].row.latency_ns, 0u);
    EXPECT_EQ(lookups_[0].row.header.pid, static_cast<__u32>(::getpid()));
    EXPECT_EQ(sum(&dns_total_event::no_answer), 1u);
    EXPECT_EQ(sum(&dns_total_event::sent), 1u);
    ASSERT_FALSE(waiting_.empty());
    for (const auto& each : waiting_) EXPECT_EQ(each.row.question, waiting_[0].row.question);
}

TEST_F(DnsKernel, a_socket_that_is_not_connected_and_one_on_loopback_are_counted_once) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = bound("127.0.0.1", client());
    const OwnedFd near = socket_in(client(), AF_INET, SOCK_DGRAM);
    socklen_t length = 0;
    const sockaddr_storage to = address("127.0.0.1", 53, length);
    const std::string message = question(13, "stub.example");
    require(::sendto(near.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                     length) > 0,
            "sendto");
    serve_one(far, [](const std::string& asked) { return answer_to(asked, 0, false, 1); });
    receive(near);
    collect_until([&] { return !lookups_.empty(); });
    ASSERT_EQ(lookups_.size(), 1u);
    EXPECT_TRUE(is_at(lookups_[0].row.server, "127.0.0.1"));
    EXPECT_EQ(lookups_[0].row.header.pid, static_cast<__u32>(::getpid()));
    EXPECT_EQ(sum(&dns_total_event::sent), 1u);
    EXPECT_EQ(sum(&dns_total_event::noerror), 1u);
}

TEST_F(DnsKernel, a_destination_that_is_translated_is_told_as_the_program_asked_for_it) {
    client().run(
        "nft 'add table ip t; add chain ip t c { type nat hook output priority -100; };"
        " add rule ip t c ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.1:4053'");
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = socket_in(client(), AF_INET, SOCK_DGRAM);
    socklen_t length = 0;
    const sockaddr_storage at = address("127.0.0.1", 4053, length);
    require(::bind(far.get(), reinterpret_cast<const sockaddr*>(&at), length) == 0, "bind");
    const OwnedFd near = asker("127.0.0.11", client());
    send_to(near, question(15, "translated.example"));
    serve_one(far, [](const std::string& asked) { return answer_to(asked, 0, false, 1); });
    receive(near);
    collect_until([&] { return !lookups_.empty(); });
    client().run("nft flush ruleset");
    ASSERT_EQ(lookups_.size(), 1u);
    EXPECT_TRUE(is_at(lookups_[0].row.server, "127.0.0.11"));
    EXPECT_EQ(sum(&dns_total_event::sent), 1u);
}

TEST_F(DnsKernel,
       an_answer_that_does_not_repeat_the_question_ends_it_and_other_cases_of_letters_do_not_matter) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = bound("192.0.2.53", server()), near = asker("192.0.2.53", client());
    send_to(near, question(17, "bare.example"));
    serve_one(far, [](const std::string& message) {
        std::string bare = answer_to(message.substr(0, 12), dns_code_formerr);
        bare[5] = 0;
        return bare;
    });
    receive(near);
    send_to(near, question(18, "MiXeD.ExAmPlE"));
    serve_one(far, [](const std::string&) { return answer_to(question(18, "mixed.example"), 0, false, 1); });
    receive(near);
    collect_until([&] { return lookups_.size() >= 2; });
    ASSERT_EQ(lookups_.size(), 2u);
    EXPECT_EQ(lookups_[0].row.code, dns_code_formerr);
    EXPECT_EQ(lookups_[0].name, "bare.example");
    EXPECT_EQ(lookups_[1].name, "MiXeD.ExAmPlE");
    EXPECT_EQ(sum(&dns_total_event::other_errors), 1u);
}

TEST_F(DnsKernel, an_answer_that_refers_to_other_servers_is_not_called_empty) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = bound("192.0.2.53", server()), near = asker("192.0.2.53", client());
    send_to(near, question(20, "www.example"));
    serve_one(far, [](const std::string& message) {
        std::string referral = answer_to(message, 0);
        referral[3] = '\0';  // neither a resolver's nor the zone's own
        return referral;
    });
    receive(near);
    collect_until([&] { return !lookups_.empty(); });
    EXPECT_EQ(sum(&dns_total_event::noerror), 1u);
    EXPECT_EQ(sum(&dns_total_event::empty), 0u);
}

TEST_F(DnsKernel, messages_that_are_none_are_passed_over) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const OwnedFd far = bound("192.0.2.53", server()), near = asker("192.0.2.53", client());
    send_to(near, "x");
    send_to(near, std::string(12, '\0'));
    send_to(near, std::string(600, '\xff'));
    send_to(near, question(1, "broken.example").substr(0, 20));
    send_to(near, answer_to(question(1, "answer.example"), 0));
    for (int i = 0; i < 5; ++i) receive(far);
    send_to(near, question(19, "good.example"));
    serve_one(far, [](const std::string& message) { return answer_to(message, 0, false, 1); });
    receive(near);
    collect_until([&] { return !lookups_.empty(); });
    EXPECT_EQ(lookups_.size(), 1u);
    EXPECT_EQ(sum(&dns_total_event::sent), 1u);
}

TEST_F(DnsKernel, more_questions_than_the_map_holds_are_counted_as_lost_and_the_sums_stay_exact) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    const OwnedFd silent = bound("192.0.2.54", server()), near = asker("192.0.2.54", client());
    for (std::uint32_t i = 0; i < 5000; ++i)
        send_to(near, question(static_cast<std::uint16_t>(i), "many.example"));
    collect();
    EXPECT_EQ(sum(&dns_total_event::sent), 5000u);
    // Questions of others on this machine take places too.
    EXPECT_GE(lost(), 5000u - 4096u);
}

}  // namespace
}  // namespace waggle::sensors
