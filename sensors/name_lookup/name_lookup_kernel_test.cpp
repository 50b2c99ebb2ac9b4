// SPDX-License-Identifier: Apache-2.0
// A process of the test's own that times its calls of the C library, beside a name server of the test's own: the rows must agree
// with what it measured and was told. It has an /etc of its own, and a network namespace with nothing but loopback.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sensing/testing/drain_whole.h"
#include "sensing/testing/rows.h"
#include "sensors/name_lookup/name_lookup.event.h"
#include "sensors/name_lookup/name_lookup.h"
#include "sensors/name_lookup/testing/name_server.h"
#include "tests/testing/netns.h"

namespace waggle::sensors {
namespace {

using test::NameServer;
using test::Netns;
using test::require;
using namespace std::chrono_literals;

constexpr auto lookup_patience = 120s;  // an emulated machine is slow
constexpr std::size_t name_kept = 255;

// What the calling process itself knows of a call.
struct OwnCall {
    char name[320];
    std::uint8_t function;
    std::int64_t result;
    std::uint64_t latency_ns;
};

std::uint64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

addrinfo hints_of(int flags = 0) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    return hints;
}

OwnCall by_getaddrinfo(const char* name, const char* service = nullptr, int flags = 0) {
    const addrinfo hints = hints_of(flags);
    addrinfo* found = nullptr;
    OwnCall call{{}, name_lookup_getaddrinfo, 0, 0};
    // Copied before the call: what nobody has touched is read at the return alone, and not every call returns.
    if (name) std::strncpy(call.name, name, sizeof call.name - 1);
    const std::uint64_t began = now_ns();
    call.result = ::getaddrinfo(name, service, &hints, &found);
    call.latency_ns = now_ns() - began;
    if (call.result == 0) ::freeaddrinfo(found);
    return call;
}

OwnCall by_gethostbyname(const char* name, std::optional<int> family = {}) {
    const std::uint64_t began = now_ns();
    const hostent* host = family ? ::gethostbyname2(name, *family) : ::gethostbyname(name);
    const std::uint64_t ended = now_ns();
    const int error = h_errno;
    OwnCall call{{},
                 static_cast<std::uint8_t>(family ? name_lookup_gethostbyname2 : name_lookup_gethostbyname),
                 host ? 0 : error,
                 ended - began};
    std::strncpy(call.name, name, sizeof call.name - 1);
    return call;
}

OwnCall by_reentrant(const char* name, std::size_t room, std::optional<int> family = {}) {
    std::vector<char> buffer(room);
    hostent host{};
    hostent* found = nullptr;
    int error = 0;
    const std::uint64_t began = now_ns();
    const int result = family ? ::gethostbyname2_r(name, *family, &host, buffer.data(), room, &found, &error)
                              : ::gethostbyname_r(name, &host, buffer.data(), room, &found, &error);
    const std::uint64_t ended = now_ns();
    OwnCall call{
        {},
        static_cast<std::uint8_t>(family ? name_lookup_gethostbyname2_r : name_lookup_gethostbyname_r),
        found       ? 0
        : error > 0 ? error
                    : name_lookup_result_errno + result,
        ended - began};
    std::strncpy(call.name, name, sizeof call.name - 1);
    return call;
}

// A process with the test's /etc and network.
class Caller {
  public:
    using Tell = std::function<void(const OwnCall&)>;
    Caller(const Netns& where, const std::string& etc, const std::function<void(const Tell&)>& work) {
        int ends[2];
        require(::pipe2(ends, O_CLOEXEC) == 0, "pipe");
        pid_ = ::fork();
        require(pid_ >= 0, "fork");
        if (pid_ == 0) {
            ::close(ends[0]);
            require(::unshare(CLONE_NEWNS) == 0, "unshare mounts");
            require(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
            require(::mount(etc.c_str(), "/etc", nullptr, MS_BIND, nullptr) == 0, "mount /etc");
            require(::setns(where.fd(), CLONE_NEWNET) == 0, "enter network namespace");
            work([&](const OwnCall& call) {
                require(::write(ends[1], &call, sizeof call) == sizeof call, "write");
            });
            ::_exit(0);
        }
        ::close(ends[1]);
        told_ = OwnedFd(ends[0]);
    }
    Caller(const Caller&) = delete;
    Caller& operator=(const Caller&) = delete;
    ~Caller() { end(SIGKILL); }

    __u32 pid() const { return static_cast<__u32>(pid_); }
    // What it told, to its end.
    std::vector<OwnCall> calls() {
        std::vector<OwnCall> out;
        for (OwnCall call{}; ::read(told_.get(), &call, sizeof call) == sizeof call;) out.push_back(call);
        end(0);
        return out;
    }
    void end(int signal) {
        if (ended_) return;
        if (signal) ::kill(pid_, signal);
        ::waitpid(pid_, nullptr, 0);
        ended_ = true;
    }

  private:
    pid_t pid_ = -1;
    OwnedFd told_;
    bool ended_ = false;
};

class NameLookupKernel : public testing::Test {
  protected:
    NameLookupKernel() {
        std::string folder = testing::TempDir() + "waggle-name-lookup-XXXXXX";
        require(::mkdtemp(folder.data()) != nullptr, folder);
        folder_ = folder;
        write("hosts", "127.0.0.1 localhost\n192.0.2.9 in-hosts.example\n");
        write("nsswitch.conf", "hosts: files dns\n");
        write("resolv.conf", "nameserver 127.0.0.1\nsearch .\noptions timeout:30 attempts:1\n");
    }
    ~NameLookupKernel() override { std::filesystem::remove_all(folder_); }

    void write(const std::string& file, const std::string& text) const {
        std::ofstream(folder_ + "/" + file) << text;
    }
    void start(Mode mode, std::vector<FieldFilter> filters = {}) {
        StartOptions options;
        options.mode = mode;
        options.filters = std::move(filters);
        auto started = name_lookup_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }

    struct Lookup {
        name_lookup_event row;
        std::string name;
        std::string line;
    };
    // What the sensor has of this process, or of those of this name.
    void collect(__u32 pid, std::string_view comm = {}) {
        const auto keep = [&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                if (comm.empty() ? row->u64("pid") != pid : row->text("comm") != comm) continue;
                if (row->schema().name == "name_lookup")
                    lookups_.push_back({row->as<name_lookup_event>(), std::string(row->text("name")),
                                        line_of(*row, names_)});
                else
                    add(*row);
            }
        };
        drain_whole(*sensor_, keep);
        sensor_->snapshot(keep);
    }
    void collect_until(const std::function<bool()>& done, __u32 pid, std::string_view comm = {}) {
        const auto end = std::chrono::steady_clock::now() + lookup_patience;
        for (collect(pid, comm); !done() && std::chrono::steady_clock::now() < end; collect(pid, comm))
            std::this_thread::sleep_for(20ms);
        EXPECT_TRUE(done());
    }
    void expect_nothing_lost() const {
        for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
        for (const std::string& problem : sensor_->problems()) ADD_FAILURE() << problem;
    }
    Names names_;
    Netns net_;
    std::string folder_;
    std::unique_ptr<Running> sensor_;
    std::vector<Lookup> lookups_;
    name_lookup_total_event sum_{};
    std::uint64_t values_ = 0;  // in the histograms

  private:
    void add(const Row& row) {
        const auto total = row.as<name_lookup_total_event>();
        sum_.header = total.header;
        sum_.calls += total.calls;
        sum_.not_found += total.not_found;
        sum_.try_again += total.try_again;
        sum_.other_errors += total.other_errors;
        sum_.not_returned += total.not_returned;
        sum_.latency_ns += total.latency_ns;
        values_ += values_of(row, "latency_histogram");
    }
};

void make_all_calls(const Caller::Tell& tell) {
    const std::string endless = std::string(300, 'x') + ".example";
    for (const char* name :
         {"quick.example", "slow1.example", "missing.example", "broken.example", "slow2.example",
          "in-hosts.example", "192.0.2.1", "b\u00fccher.example", endless.c_str()})
        tell(by_getaddrinfo(name));
    tell(by_getaddrinfo(nullptr, "80"));
    tell(by_getaddrinfo("quick.example", "no-such-service"));
    tell(by_getaddrinfo("quick.example", nullptr, AI_NUMERICHOST));
    for (const char* name :
         {"quick.example", "slow3.example", "missing.example", "broken.example", "in-hosts.example"}) {
        tell(by_gethostbyname(name));
        tell(by_gethostbyname(name, AF_INET));
        tell(by_reentrant(name, 2000));
        tell(by_reentrant(name, 2000, AF_INET));
    }
    tell(by_gethostbyname("quick.example", AF_INET6));  // has none of that family
    tell(by_reentrant("in-hosts.example", 8));          // has no room
}

TEST_F(NameLookupKernel, each_call_is_told_once_with_the_name_the_result_and_the_time_of_the_caller) {
    const NameServer server(net_);
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    Caller caller(net_, folder_, make_all_calls);
    const std::vector<OwnCall> own = caller.calls();
    ASSERT_EQ(own.size(), 12u + 20u + 2u);
    collect_until([&] { return lookups_.size() >= own.size(); }, caller.pid());
    ASSERT_EQ(lookups_.size(), own.size());
    const double part = std::getenv("WAGGLE_VM") ? 0.25 : 0.05;
    int slow = 0;
    for (std::size_t i = 0; i < own.size(); ++i) {
        const name_lookup_event& row = lookups_[i].row;
        SCOPED_TRACE(lookups_[i].line);
        EXPECT_EQ(lookups_[i].name, std::string(own[i].name).substr(0, name_kept));
        EXPECT_EQ(row.cut, std::strlen(own[i].name) > name_kept);
        EXPECT_EQ(row.function, own[i].function);
        EXPECT_EQ(row.result, own[i].result);
        EXPECT_EQ(row.ending, name_lookup_returned);
        EXPECT_EQ(row.numeric_only, i == 11);
        EXPECT_EQ(row.unread, 0);
        EXPECT_EQ(row.header.tid, caller.pid());
        EXPECT_NE(row.header.start_ns, 0u);
        EXPECT_GT(row.latency_ns, 0);
        EXPECT_LE(static_cast<std::uint64_t>(row.latency_ns), own[i].latency_ns);
        if (!std::string_view(own[i].name).starts_with("slow")) continue;
        ++slow;
        EXPECT_GE(row.latency_ns, 200'000'000);
        EXPECT_GE(static_cast<double>(row.latency_ns), static_cast<double>(own[i].latency_ns) * (1 - part));
    }
    EXPECT_EQ(slow, 6);
    EXPECT_EQ(own[2].result, EAI_NONAME);
    EXPECT_EQ(own[3].result, EAI_AGAIN);
    EXPECT_EQ(own[own.size() - 1].result, name_lookup_result_errno + ERANGE);
    EXPECT_NE(lookups_[2].line.find("result=EAI_NONAME"), std::string::npos) << lookups_[2].line;
    EXPECT_NE(lookups_.back().line.find("result=ERANGE"), std::string::npos) << lookups_.back().line;
    EXPECT_EQ(sum_.calls, own.size());
    expect_nothing_lost();
}

TEST_F(NameLookupKernel, the_aggregate_mode_counts_the_same_and_sends_no_rows) {
    const NameServer server(net_);
    ASSERT_NO_FATAL_FAILURE(start(Mode::aggregate));
    Caller caller(net_, folder_, make_all_calls);
    std::uint64_t latency_ns = 0, missing = 0, again = 0, other = 0;
    const std::vector<OwnCall> own = caller.calls();
    for (const OwnCall& call : own) {
        latency_ns += call.latency_ns;
        const bool is_missing =
            call.result == EAI_NONAME || call.result == HOST_NOT_FOUND || call.result == NO_DATA;
        const bool is_again = call.result == EAI_AGAIN || call.result == TRY_AGAIN;
        missing += is_missing;
        again += is_again;
        other += call.result != 0 && !is_missing && !is_again;
    }
    collect_until([&] { return sum_.calls >= own.size(); }, caller.pid());
    EXPECT_TRUE(lookups_.empty());
    EXPECT_EQ(sum_.calls, own.size());
    EXPECT_EQ(sum_.not_found, missing - 1)
        << "the one that asked for numbers alone is no name that is missing";
    EXPECT_EQ(sum_.try_again, again);
    EXPECT_EQ(sum_.other_errors, other);
    EXPECT_EQ(sum_.not_returned, 0u);
    EXPECT_EQ(values_, own.size());
    EXPECT_LE(sum_.latency_ns, latency_ns);
    EXPECT_GE(sum_.latency_ns, 6u * 200'000'000u);
    EXPECT_EQ(sum_.header.pid, caller.pid());
    expect_nothing_lost();
}

TEST_F(NameLookupKernel, a_call_is_told_also_where_no_name_server_can_be_asked) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));  // nobody listens on port 53
    write("resolv.conf", "# no server, so it is the one on this machine\n");
    Caller caller(net_, folder_, [](const Caller::Tell& tell) {
        tell(by_getaddrinfo("quick.example"));
        tell(by_getaddrinfo("in-hosts.example"));
    });
    const std::vector<OwnCall> own = caller.calls();
    ASSERT_EQ(own.size(), 2u);
    collect_until([&] { return lookups_.size() >= 2; }, caller.pid());
    ASSERT_EQ(lookups_.size(), 2u);
    EXPECT_EQ(own[0].result, EAI_AGAIN);
    EXPECT_EQ(lookups_[0].row.result, EAI_AGAIN);
    EXPECT_EQ(lookups_[1].row.result, 0);
}

TEST_F(NameLookupKernel, a_name_on_a_page_that_nobody_has_touched_is_read_at_the_return) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    Caller caller(net_, folder_, [](const Caller::Tell& tell) {
        const OwnedFd file(::memfd_create("name", MFD_CLOEXEC));
        require(::pwrite(file.get(), "in-hosts.example", 17, 0) == 17, "write");
        const void* page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file.get(), 0);
        require(page != MAP_FAILED, "mmap");
        const addrinfo hints = hints_of();
        addrinfo* found = nullptr;
        OwnCall call{};
        call.result = ::getaddrinfo(static_cast<const char*>(page), nullptr, &hints, &found);
        tell(call);
    });
    ASSERT_EQ(caller.calls().size(), 1u);
    collect_until([&] { return !lookups_.empty(); }, caller.pid());
    ASSERT_EQ(lookups_.size(), 1u);
    EXPECT_EQ(lookups_[0].name, "in-hosts.example");
    EXPECT_EQ(lookups_[0].row.unread, 0);
}

TEST_F(NameLookupKernel, threads_that_die_within_the_call_are_told_with_how_long_they_waited) {
    constexpr int threads = 50;
    const NameServer server(net_);
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    Caller caller(net_, folder_, [](const Caller::Tell&) {
        std::vector<std::thread> all;
        for (int i = 0; i < threads; ++i) all.emplace_back([] { by_getaddrinfo("silent.example"); });
        for (std::thread& each : all) each.join();
    });
    const auto end = std::chrono::steady_clock::now() + lookup_patience;
    while (server.silent() < threads && std::chrono::steady_clock::now() < end)
        std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(200ms);
    caller.end(SIGKILL);
    collect_until([&] { return lookups_.size() >= threads; }, caller.pid());
    EXPECT_EQ(lookups_.size(), static_cast<std::size_t>(threads));
    for (const Lookup& each : lookups_) {
        SCOPED_TRACE(each.line);
        EXPECT_EQ(each.name, "silent.example");
        EXPECT_EQ(each.row.ending, name_lookup_thread_ended);
        EXPECT_EQ(each.row.result, null_i64);
        EXPECT_GE(each.row.latency_ns, 200'000'000);
    }
    EXPECT_EQ(sum_.calls, static_cast<std::uint64_t>(threads));
    EXPECT_EQ(sum_.not_returned, static_cast<std::uint64_t>(threads));
}

sigjmp_buf out_of_the_call;

TEST_F(NameLookupKernel, a_call_that_is_jumped_out_of_is_told_and_does_not_hide_the_next) {
    const NameServer server(net_);
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    Caller caller(net_, folder_, [](const Caller::Tell&) {
        ::signal(SIGALRM, [](int) { siglongjmp(out_of_the_call, 1); });
        for (const char* name : {"silent.example", "in-hosts.example"})
            if (sigsetjmp(out_of_the_call, 1) == 0) {
                ::alarm(1);
                by_getaddrinfo(name);
                ::alarm(0);
            }
    });
    caller.calls();
    collect_until([&] { return lookups_.size() >= 2; }, caller.pid());
    ASSERT_EQ(lookups_.size(), 2u);
    EXPECT_EQ(lookups_[0].name, "silent.example");
    EXPECT_EQ(lookups_[0].row.ending, name_lookup_left);
    EXPECT_EQ(lookups_[0].row.latency_ns, null_i64);
    EXPECT_EQ(lookups_[1].name, "in-hosts.example");
    EXPECT_EQ(lookups_[1].row.ending, name_lookup_returned);
    EXPECT_EQ(lookups_[1].row.result, 0);
}

TEST_F(NameLookupKernel, every_thread_of_many_is_told) {
    constexpr std::size_t rounds = 100, at_once = 10;
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    Caller caller(net_, folder_, [](const Caller::Tell&) {
        for (std::size_t round = 0; round < rounds; ++round) {
            std::vector<std::thread> all;
            for (std::size_t i = 0; i < at_once; ++i) all.emplace_back([] { by_getaddrinfo("192.0.2.1"); });
            for (std::thread& each : all) each.join();
        }
    });
    caller.calls();
    collect_until([&] { return lookups_.size() >= rounds * at_once; }, caller.pid());
    EXPECT_EQ(lookups_.size(), rounds * at_once);
    EXPECT_EQ(sum_.calls, rounds * at_once);
    expect_nothing_lost();
}

TEST_F(NameLookupKernel, a_c_library_that_comes_into_use_later_is_watched_too) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events));
    const std::string copy = folder_ + "/libc.so.6";
    std::filesystem::copy_file("/lib/x86_64-linux-gnu/libc.so.6", copy);
    test::Outcome outcome;
    std::thread running([&] {
        outcome = test::outcome_of("LD_LIBRARY_PATH=" + folder_ +
                                   " bash -c 'sleep 2; exec getent ahostsv4 192.0.2.44'");
    });
    collect_until([&] { return !lookups_.empty(); }, 0, "getent");
    running.join();
    ASSERT_EQ(lookups_.size(), 1u);
    EXPECT_EQ(lookups_[0].name, "192.0.2.44");
    // Where the machine has no address of its own, getent has no answer either.
    EXPECT_EQ(lookups_[0].row.result == 0, outcome.code == 0) << outcome.text << lookups_[0].line;
    const std::vector<HookUse> hooks = sensor_->hooks();
    ASSERT_FALSE(hooks.empty());
    EXPECT_NE(hooks[0].hook.find("other file"), std::string::npos) << hooks[0].hook;
    expect_nothing_lost();
}

TEST_F(NameLookupKernel, of_others_than_the_one_that_is_asked_about_nothing_is_told) {
    ASSERT_NO_FATAL_FAILURE(start(Mode::events, {{"pid", std::uint32_t{1}}}));
    Caller caller(net_, folder_, [](const Caller::Tell& tell) { tell(by_getaddrinfo("192.0.2.1")); });
    ASSERT_EQ(caller.calls().size(), 1u);
    collect(caller.pid());
    EXPECT_TRUE(lookups_.empty());
    EXPECT_EQ(sum_.calls, 0u);
}

}  // namespace
}  // namespace waggle::sensors
