// SPDX-License-Identifier: Apache-2.0
// Longer than 500 lines: all of it is about the rows of processes that one fixture makes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "sensing/testing/drain_whole.h"
#include "sensing/testing/rows.h"
#include "sensors/process/process.h"

namespace waggle::sensors {
namespace {

const auto self = static_cast<std::uint32_t>(::getpid());

// One row, copied out of the ring: the tests read it after the drain.
struct Kept {
    std::string schema;
    std::vector<std::uint64_t> bytes;
    std::unique_ptr<Row> row;

    std::uint64_t number(std::string_view field) const { return row->u64(field); }
    std::string text(std::string_view field) const { return std::string(row->text(field)); }
};

// The sensor, and the rows of the processes this test makes.
class ProcessKernel : public testing::Test {
  protected:
    void start(Mode mode = Mode::events, std::vector<std::string> tables = {}) {
        StartOptions options;
        options.mode = mode;
        options.tables = std::move(tables);
        options.ring_bytes = 4u << 20;
        auto started = process_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }

    void drain() {
        drain_whole(*sensor_, [&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                if (row->u64(row->schema().only_named ? "pid" : "parent_pid") != self) continue;
                Kept kept;
                kept.schema = row->schema().name;
                kept.bytes.resize((row->bytes().size() + 7) / 8);
                std::memcpy(kept.bytes.data(), row->bytes().data(), row->bytes().size());
                kept.row = std::make_unique<Row>(
                    row->schema(), std::as_bytes(std::span(kept.bytes)).first(row->bytes().size()));
                rows_.push_back(std::move(kept));
            }
        });
    }

    std::vector<const Kept*> rows(std::string_view schema, pid_t pid = 0) {
        drain();
        std::vector<const Kept*> found;
        for (const Kept& kept : rows_)
            if (kept.schema == schema && (pid == 0 || kept.number("pid") == static_cast<std::uint32_t>(pid)))
                found.push_back(&kept);
        return found;
    }

    const Kept* only(std::string_view schema, pid_t pid) {
        const auto found = rows(schema, pid);
        EXPECT_EQ(found.size(), 1u) << schema << " of " << pid;
        return found.size() == 1 ? found.front() : nullptr;
    }

    void nothing_lost() {
        for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    }

    std::unique_ptr<Running> sensor_;
    Names names_;
    std::vector<Kept> rows_;
};

struct Ended {
    pid_t pid;
    int status;
    rusage usage;
};

Ended wait_for(pid_t pid) {
    Ended ended{pid, 0, {}};
    EXPECT_EQ(::wait4(pid, &ended.status, 0, &ended.usage), pid);
    return ended;
}

pid_t fork_and(const std::function<void()>& act) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        act();
        ::_exit(0);
    }
    EXPECT_GT(pid, 0);
    return pid;
}

pid_t spawn(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_t pid = 0;
    EXPECT_EQ(::posix_spawn(&pid, argv[0], nullptr, nullptr, argv.data(), environ), 0);
    return pid;
}

TEST_F(ProcessKernel, a_thousand_short_processes_give_a_thousand_of_each_row) {
    start();
    std::set<pid_t> made;
    for (int i = 0; i < 1000; ++i) {
        const pid_t pid = spawn({"/bin/busybox", "sleep", "0.001"});
        made.insert(pid);
        wait_for(pid);
        drain();
    }
    std::map<std::pair<std::uint64_t, std::uint64_t>, int> pairs;
    for (const Kept* row : rows("process_exec")) ++pairs[{row->number("pid"), row->number("start_ns")}];
    EXPECT_EQ(pairs.size(), 1000u);
    EXPECT_EQ(rows("process_fork").size(), 1000u);
    const auto exits = rows("process_exit");
    EXPECT_EQ(exits.size(), 1000u);
    for (const Kept* row : exits) {
        EXPECT_EQ((pairs[{row->number("pid"), row->number("start_ns")}]), 1);
        EXPECT_EQ(row->number("exit_code"), 0u);
        EXPECT_EQ(row->number("executed"), 1u);
        EXPECT_GE(row->number("ran_ns"), 1'000'000u);
        EXPECT_TRUE(made.contains(static_cast<pid_t>(row->number("pid"))));
    }
    nothing_lost();
}

// The numbers of so many threads, which have ended.
std::set<pid_t> make_threads(int count) {
    std::set<pid_t> made;
    for (int i = 0; i < count; ++i) {
        pid_t tid = 0;
        std::thread([&] { tid = ::gettid(); }).join();
        made.insert(tid);
    }
    return made;
}

TEST_F(ProcessKernel, each_thread_is_a_row_where_threads_are_asked_for) {
    start(Mode::events, {"process_thread"});
    const std::set<pid_t> made = make_threads(50);
    wait_for(fork_and([] {}));
    std::set<pid_t> told;
    for (const Kept* row : rows("process_thread")) {
        EXPECT_EQ(row->number("tid"), static_cast<std::uint32_t>(::gettid()));
        told.insert(static_cast<pid_t>(row->number("made_tid")));
    }
    EXPECT_EQ(told, made);
    EXPECT_EQ(rows("process_thread").size(), 50u);
    EXPECT_EQ(rows("process_fork").size(), 1u) << "a process is no thread";
    nothing_lost();
}

TEST_F(ProcessKernel, threads_are_no_rows_where_nobody_asks_for_them) {
    start();
    make_threads(5);
    wait_for(fork_and([] {}));
    EXPECT_EQ(rows("process_fork").size(), 1u);
    EXPECT_TRUE(rows("process_thread").empty());
}

TEST_F(ProcessKernel, arguments_beyond_4096_bytes_are_cut_and_marked) {
    start();
    const pid_t pid = spawn({"/bin/true", std::string(4990, 'a')});
    wait_for(pid);
    const Kept* row = only("process_exec", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->text("arguments"), "/bin/true " + std::string(4086, 'a'));
    EXPECT_EQ(row->number("arguments_bytes"), 5000u);
    EXPECT_EQ(row->number("truncated"), 1u);
    EXPECT_EQ(row->text("exe"), "/bin/true");
}

TEST_F(ProcessKernel, arguments_of_exactly_4096_bytes_are_whole) {
    start();
    const pid_t pid = spawn({"/bin/true", std::string(4086, 'a')});
    wait_for(pid);
    const Kept* row = only("process_exec", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->text("arguments"), "/bin/true " + std::string(4086, 'a'));
    EXPECT_EQ(row->number("truncated"), 0u);
}

TEST_F(ProcessKernel, the_always_on_mode_keeps_512_bytes_of_arguments) {
    start(Mode::aggregate);
    const pid_t cut = spawn({"/bin/true", std::string(4990, 'a')});
    wait_for(cut);
    const pid_t whole = spawn({"/bin/true", "b", "", "c"});
    wait_for(whole);
    const Kept* row = only("process_exec", cut);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->text("arguments"), "/bin/true " + std::string(502, 'a'));
    EXPECT_EQ(row->number("arguments_bytes"), 5000u);
    EXPECT_EQ(row->number("truncated"), 1u);
    row = only("process_exec", whole);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->text("arguments"), "/bin/true b  c");
    EXPECT_EQ(row->number("truncated"), 0u);
    EXPECT_EQ(rows("process_exit").size(), 2u);
}

TEST_F(ProcessKernel, every_byte_of_an_argument_arrives_unharmed) {
    start();
    std::string all;
    for (int c = 1; c < 256; ++c) all += static_cast<char>(c);
    // Every length up to some words: the joining works on eight bytes at a time.
    for (std::size_t length = 0; length < 20; ++length) {
        const pid_t pid = spawn({"/bin/true", std::string(length, 'x'), all, "\x1b[2J"});
        wait_for(pid);
        const Kept* row = only("process_exec", pid);
        ASSERT_NE(row, nullptr);
        EXPECT_EQ(row->text("arguments"), "/bin/true " + std::string(length, 'x') + " " + all + " \x1b[2J");
        EXPECT_EQ(row->text("exe"), "/bin/true");
    }
}

TEST_F(ProcessKernel, the_program_is_named_as_it_was_executed) {
    start();
    const pid_t pid = fork_and([] {
        if (::chdir("/bin") != 0) ::_exit(99);
        ::execl("./true", "not-true", nullptr);
        ::_exit(98);
    });
    EXPECT_EQ(wait_for(pid).status, 0);
    const Kept* row = only("process_exec", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->text("exe"), "./true");
    EXPECT_EQ(row->text("arguments"), "not-true");
    EXPECT_EQ(row->text("comm"), "true");
    EXPECT_EQ(row->number("uid"), ::getuid());
}

TEST_F(ProcessKernel, an_exit_code_is_told) {
    start();
    const pid_t pid = spawn({"/bin/sh", "-c", "exit 3"});
    wait_for(pid);
    const Kept* row = only("process_exit", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->number("exit_code"), 3u);
    EXPECT_EQ(row->number("signal"), 0u);
    EXPECT_EQ(row->number("core_dumped"), 0u);
    EXPECT_EQ(row->text("comm"), "sh");
}

TEST_F(ProcessKernel, a_killing_signal_is_told_with_its_name) {
    start();
    const pid_t pid = fork_and([] {
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_CORE, &none);
        ::signal(SIGSEGV, SIG_DFL);
        ::raise(SIGSEGV);
    });
    const Ended ended = wait_for(pid);
    const Kept* row = only("process_exit", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->number("signal"), 11u);
    EXPECT_EQ(row->number("exit_code"), 0u);
    EXPECT_EQ(row->number("core_dumped"), WCOREDUMP(ended.status) ? 1u : 0u);
    EXPECT_EQ(row->number("executed"), 0u);
    EXPECT_EQ(names_.find("signal", 11), "SIGSEGV");
}

TEST_F(ProcessKernel, a_core_dump_is_told) {
    char directory[] = "/tmp/waggle-core-XXXXXX";
    ASSERT_NE(::mkdtemp(directory), nullptr);
    start();
    const pid_t pid = fork_and([&] {
        const rlimit some{64u << 20, 64u << 20};
        if (::setrlimit(RLIMIT_CORE, &some) != 0 || ::chdir(directory) != 0) ::_exit(99);
        ::signal(SIGABRT, SIG_DFL);
        ::raise(SIGABRT);
    });
    const Ended ended = wait_for(pid);
    const Kept* row = only("process_exit", pid);
    const std::string remove = std::string("rm -rf ") + directory;
    EXPECT_EQ(std::system(remove.c_str()), 0);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->number("signal"), 6u);
    EXPECT_EQ(row->number("core_dumped"), WCOREDUMP(ended.status) ? 1u : 0u);
}

TEST_F(ProcessKernel, run_time_and_peak_memory_are_those_of_wait4) {
    start();
    constexpr std::size_t held = 48u << 20;
    const auto before = std::chrono::steady_clock::now();
    const pid_t pid = fork_and([] {
        void* memory = ::mmap(nullptr, held, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) ::_exit(99);
        std::memset(memory, 1, held);
        ::munmap(memory, held);
        ::usleep(50'000);
    });
    const Ended ended = wait_for(pid);
    const auto took = std::chrono::steady_clock::now() - before;
    EXPECT_EQ(ended.status, 0);
    const Kept* row = only("process_exit", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_GE(row->number("peak_rss_bytes"), held);
    EXPECT_EQ(row->number("peak_rss_bytes"), static_cast<std::uint64_t>(ended.usage.ru_maxrss) * 1024);
    EXPECT_GE(row->number("ran_ns"), 50'000'000u);
    EXPECT_LE(row->number("ran_ns"), static_cast<std::uint64_t>(std::chrono::nanoseconds(took).count()));
}

TEST_F(ProcessKernel, threads_are_not_processes) {
    start();
    const pid_t pid = fork_and([] {
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i) threads.emplace_back([] { ::usleep(1000); });
        for (std::thread& thread : threads) thread.join();
        ::_exit(5);
    });
    wait_for(pid);
    EXPECT_EQ(rows("process_fork").size(), 1u);
    ASSERT_EQ(rows("process_exit").size(), 1u);
    EXPECT_EQ(rows("process_exit").front()->number("exit_code"), 5u);
    for (const Kept* row : rows("process_fork")) EXPECT_EQ(row->number("pid"), row->number("tid"));
}

// Threads killed together race to be the last; each process still ends once.
TEST_F(ProcessKernel, a_process_killed_with_its_threads_ends_once) {
    start();
    constexpr int processes = 100;
    for (int i = 0; i < processes; ++i) {
        const pid_t pid = fork_and([] {
            for (int t = 0; t < 8; ++t) std::thread([] { ::pause(); }).detach();
            ::_exit(7);
        });
        wait_for(pid);
        const Kept* row = only("process_exit", pid);
        ASSERT_NE(row, nullptr);
        EXPECT_EQ(row->number("exit_code"), 7u);
    }
    nothing_lost();
}

TEST_F(ProcessKernel, a_signal_of_another_process_is_told_with_its_sender) {
    start();
    const pid_t pid = fork_and([] { ::pause(); });
    const pid_t killer = spawn({"/bin/sh", "-c", "kill -KILL " + std::to_string(pid)});
    wait_for(killer);
    wait_for(pid);
    const Kept* row = only("process_exit", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(names_.find("signal_from", row->number("signal_from")), "process");
    EXPECT_EQ(row->number("sender_pid"), static_cast<std::uint64_t>(killer));
    EXPECT_EQ(row->text("sender_comm"), "sh");
    EXPECT_EQ(row->number("sender_parent_pid"), self);
    EXPECT_EQ(row->number("oom_killed"), 0u);
}

TEST_F(ProcessKernel, each_signal_from_one_process_to_another_is_a_row) {
    start();
    const pid_t pid = fork_and([] {
        ::signal(SIGUSR1, SIG_IGN);
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGUSR2);
        sigprocmask(SIG_BLOCK, &blocked, nullptr);
        ::raise(SIGSTOP);
        for (;;) ::pause();
    });
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
    const std::string to = std::to_string(pid);
    const pid_t killer = spawn({"/bin/sh", "-c",
                                "kill -CONT " + to + "; kill -USR1 " + to + "; kill -USR2 " + to +
                                    "; kill -USR2 " + to + "; kill -0 " + to + "; kill -34 " + to});
    wait_for(killer);
    wait_for(pid);
    std::vector<std::string> told;
    for (const Kept* row : rows("process_signal", killer)) {
        EXPECT_EQ(row->number("target_pid"), static_cast<std::uint64_t>(pid));
        EXPECT_EQ(row->number("target_tid"), 0u);
        EXPECT_EQ(row->number("target_parent_pid"), self);
        EXPECT_EQ(row->text("comm"), "sh");
        told.push_back(std::string(names_.find("signal", row->number("signal"))) + " " +
                       std::string(names_.find("signal_outcome", row->number("outcome"))));
    }
    EXPECT_THAT(told, testing::ElementsAre("SIGCONT delivered", "SIGUSR1 ignored", "SIGUSR2 delivered",
                                           "SIGUSR2 pending", "SIGRTMIN delivered"));
}

TEST_F(ProcessKernel, the_always_on_mode_tells_of_signals_that_end_stop_or_continue) {
    start(Mode::aggregate);
    const pid_t pid = fork_and([] {
        ::signal(SIGUSR1, SIG_IGN);
        ::raise(SIGSTOP);
        for (;;) ::pause();
    });
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, WUNTRACED), pid);
    const std::string to = std::to_string(pid);
    const pid_t killer = spawn(
        {"/bin/sh", "-c", "kill -USR1 " + to + "; kill -CONT " + to + "; kill -TERM " + to + "; kill " + to});
    wait_for(killer);
    wait_for(pid);
    std::vector<std::string> told;
    for (const Kept* row : rows("process_signal", killer))
        told.emplace_back(names_.find("signal", row->number("signal")));
    ASSERT_GE(told.size(), 2u);
    EXPECT_EQ(told[0], "SIGCONT");
    EXPECT_EQ(told[1], "SIGTERM");
    const Kept* end = only("process_exit", pid);
    ASSERT_NE(end, nullptr);
    EXPECT_EQ(end->number("sender_pid"), static_cast<std::uint64_t>(killer));
}

// Who is ending sends nothing: the kernel does, to those that asked to be told of it.
TEST_F(ProcessKernel, what_the_kernel_sends_when_a_parent_ends_is_no_signal_of_the_parent) {
    start();
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t parent = fork_and([&] {
        const pid_t child = ::fork();
        if (child == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            ::write(ready[1], "x", 1);
            for (;;) ::pause();
        }
        ::pause();
    });
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(parent, SIGKILL);
    wait_for(parent);
    ::close(ready[0]);
    ::close(ready[1]);
    drain();
    EXPECT_TRUE(rows("process_signal", parent).empty());
}

TEST_F(ProcessKernel, a_signal_to_one_that_has_ended_is_told_as_too_late_or_not_at_all) {
    start();
    const pid_t pid = fork_and([] {});
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT), 0);
    const std::string to = std::to_string(pid);
    const pid_t killer = spawn({"/bin/sh", "-c", "kill -TERM " + to + "; kill -CONT " + to});
    wait_for(killer);
    wait_for(pid);
    for (const Kept* row : rows("process_signal", killer))
        EXPECT_EQ(names_.find("signal_outcome", row->number("outcome")), "too_late");
}

TEST_F(ProcessKernel, a_thread_that_sends_is_told_by_its_process) {
    start();
    const pid_t target = fork_and([] { ::pause(); });
    const pid_t sender = fork_and([&] {
        std::thread([&] {
            ::prctl(PR_SET_NAME, "worker");
            ::syscall(SYS_tgkill, target, target, 64);  // the last there is
        }).join();
    });
    wait_for(sender);
    wait_for(target);
    const Kept* row = only("process_signal", sender);
    ASSERT_NE(row, nullptr);
    EXPECT_NE(row->text("comm"), "worker");
    EXPECT_EQ(row->number("signal"), 64u);
    EXPECT_EQ(row->number("target_tid"), static_cast<std::uint64_t>(target));
}

TEST_F(ProcessKernel, a_fault_is_told_from_a_signal_that_a_process_sends_to_itself) {
    start();
    const auto without_core = [](const std::function<void()>& act) {
        return fork_and([&] {
            const rlimit none{0, 0};
            ::setrlimit(RLIMIT_CORE, &none);
            ::signal(SIGSEGV, SIG_DFL);
            act();
        });
    };
    const pid_t fault = without_core([] { *reinterpret_cast<volatile int*>(8) = 1; });
    const pid_t raised = without_core([] { ::raise(SIGSEGV); });
    const pid_t aborted = without_core([] { ::abort(); });
    // These the kernel sends in the name of the process itself.
    const pid_t unread = without_core([] {
        int ends[2];
        ::signal(SIGPIPE, SIG_DFL);
        if (::pipe(ends) == 0 && ::close(ends[0]) == 0) static_cast<void>(::write(ends[1], "x", 1));
    });
    const pid_t too_large = without_core([] {
        const rlimit small{1, 1};
        ::signal(SIGXFSZ, SIG_DFL);
        const int file = ::open("/tmp", O_TMPFILE | O_WRONLY, 0600);
        if (::setrlimit(RLIMIT_FSIZE, &small) == 0 && ::write(file, "x", 1) == 1)
            static_cast<void>(::write(file, "x", 1));
    });
    for (const auto& [pid, from] : {std::pair{fault, "fault"},
                                    {raised, "itself"},
                                    {aborted, "itself"},
                                    {unread, "fault"},
                                    {too_large, "fault"}}) {
        wait_for(pid);
        const Kept* row = only("process_exit", pid);
        ASSERT_NE(row, nullptr);
        EXPECT_EQ(names_.find("signal_from", row->number("signal_from")), from);
        EXPECT_EQ(row->number("sender_pid"), 0u);
    }
}

TEST_F(ProcessKernel, a_timer_of_the_process_itself_is_told_from_who_sends_its_signal) {
    for (const Mode mode : {Mode::events, Mode::aggregate}) {
        start(mode);
        const auto timed = [](int timer, int wait_by_work) {
            return fork_and([=] {
                ::signal(SIGALRM, SIG_DFL);
                ::signal(SIGVTALRM, SIG_DFL);
                const itimerval soon{{0, 0}, {0, 20'000}};
                ::setitimer(timer, &soon, nullptr);
                while (true)
                    if (wait_by_work == 0) ::pause();
            });
        };
        const pid_t alarmed = timed(ITIMER_REAL, 0);
        const pid_t worked = timed(ITIMER_VIRTUAL, 1);
        const pid_t raised = fork_and([] {
            ::signal(SIGALRM, SIG_DFL);
            ::raise(SIGALRM);
        });
        const pid_t told = fork_and([] {
            ::signal(SIGALRM, SIG_DFL);
            while (true) ::pause();
        });
        ::usleep(50'000);
        ::kill(told, SIGALRM);
        for (const auto& [pid, from] :
             {std::pair{alarmed, "kernel"}, {worked, "kernel"}, {raised, "itself"}, {told, "process"}}) {
            wait_for(pid);
            const Kept* row = only("process_exit", pid);
            ASSERT_NE(row, nullptr);
            EXPECT_EQ(names_.find("signal_from", row->number("signal_from")), from);
        }
    }
}

// A control group whose memory is bounded; of version 2 or 1, whichever this machine has.
class SmallMemory {
  public:
    SmallMemory() {
        for (const auto& [root, limit] :
             {std::pair<std::string, std::string>{"/sys/fs/cgroup/memory/", "memory.limit_in_bytes"},
              {"/sys/fs/cgroup/", "memory.max"}}) {
            path_ = root + "waggle-oom-" + std::to_string(self);
            if (::mkdir(path_.c_str(), 0755) != 0) continue;
            std::ofstream(path_ + "/memory.swap.max") << 0;
            if (std::ofstream(path_ + "/" + limit) << (16 << 20) << std::flush) return;
            ::rmdir(path_.c_str());
        }
        path_.clear();
    }
    ~SmallMemory() {
        for (int i = 0; i < 50 && !path_.empty() && ::rmdir(path_.c_str()) != 0; ++i) ::usleep(20'000);
    }
    bool made() const { return !path_.empty(); }
    void enter() const { std::ofstream(path_ + "/cgroup.procs") << ::getpid() << std::flush; }

  private:
    std::string path_;
};

TEST_F(ProcessKernel, whom_the_kernel_kills_when_memory_runs_out_is_told_by_the_kernels_own_record) {
    const SmallMemory small;
    ASSERT_TRUE(small.made()) << "no memory control group can be made here";
    start();
    const pid_t pid = fork_and([&] {
        small.enter();
        constexpr std::size_t much = 256u << 20;
        void* memory = ::mmap(nullptr, much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory != MAP_FAILED) std::memset(memory, 1, much);
    });
    const Ended ended = wait_for(pid);
    ASSERT_TRUE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGKILL) << ended.status;
    const Kept* row = only("process_exit", pid);
    ASSERT_NE(row, nullptr);
    EXPECT_EQ(row->number("oom_killed"), 1u);
    EXPECT_EQ(names_.find("signal_from", row->number("signal_from")), "kernel");
}

TEST_F(ProcessKernel, a_wrapper_names_the_process_whose_failure_it_passed_on) {
    start();
    for (const std::string script : {
             "sh -c 'exit 5'; exit $?",                                    // one wrapper
             "sh -c 'sh -c \"exit 5\"; exit $?'; exit $?",                 // two
             "timeout 9 env A=1 nice sh -c 'exit 5'; exit $?",             // programs that run others
             "(sh -c 'exit 5'; exit $?); code=$?; true; exit $code",       // a copy of the shell between
             "sh -c 'exit 5'; code=$?; /bin/true; sleep 0.1; exit $code",  // something went well since
             "sh -c 'ulimit -c 0; kill -SEGV $$'; exit $?",                // 139
             "sh -c 'ulimit -c 0; kill -ABRT $$' || exit 1",               // a crash under any failure
         }) {
        const pid_t pid = spawn({"/bin/sh", "-c", script});
        wait_for(pid);
        const Kept* row = only("process_exit", pid);
        ASSERT_NE(row, nullptr);
        EXPECT_NE(row->number("failed_pid"), 0u) << script;
        EXPECT_NE(row->number("failed_pid"), row->number("pid")) << script;
    }
}

TEST_F(ProcessKernel, a_failure_of_ones_own_is_no_childs) {
    start();
    for (const std::string script : {
             "exit 5",                                     // no child
             "sh -c 'exit 5'; exit 6",                     // another code
             "/bin/false; /bin/true; exit 1",              // what everybody ends with, and not the last child
             "sh -c 'exit 1'; sleep 1.2; exit 1",          // not just before
             "sh -c 'kill -TERM $$' 2>/dev/null; exit 1",  // asked to stop is no crash
         }) {
        const pid_t pid = spawn({"/bin/sh", "-c", script});
        wait_for(pid);
        const Kept* row = only("process_exit", pid);
        ASSERT_NE(row, nullptr);
        EXPECT_EQ(row->number("failed_pid"), 0u) << script;
    }
}

TEST_F(ProcessKernel, a_filter_by_process_lets_only_its_rows_pass) {
    int gate[2];
    ASSERT_EQ(::pipe(gate), 0);
    const pid_t pid = fork_and([&] {
        char go = 0;
        if (::read(gate[0], &go, 1) == 1) ::execl("/bin/true", "true", nullptr);
    });
    StartOptions options;
    options.mode = Mode::events;
    options.filters = {{"pid", static_cast<std::uint32_t>(pid)}};
    auto started = process_source.start(options, names_);
    ASSERT_TRUE(started) << started.error().message;
    sensor_ = std::move(*started);
    wait_for(spawn({"/bin/true"}));
    ASSERT_EQ(::write(gate[1], "g", 1), 1);
    wait_for(pid);
    ::close(gate[0]);
    ::close(gate[1]);
    std::vector<std::string> seen;
    drain_whole(*sensor_, [&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor_->read(record);
            ASSERT_TRUE(row);
            EXPECT_EQ(row->u64("pid"), static_cast<std::uint32_t>(pid));
            seen.emplace_back(row->schema().name);
        }
    });
    EXPECT_THAT(seen, testing::ElementsAre("process_exec", "process_exit"));
}

// A reader that stands still loses rows, never the count of them.
TEST_F(ProcessKernel, what_a_full_ring_refuses_is_counted) {
    StartOptions options;
    options.ring_bytes = 4096;
    auto started = process_source.start(options, names_);
    ASSERT_TRUE(started) << started.error().message;
    sensor_ = std::move(*started);
    constexpr int processes = 60;
    for (int i = 0; i < processes; ++i) wait_for(fork_and([] {}));
    std::uint64_t read = 0;
    drain_whole(*sensor_, [&](std::span<const Bytes> records) { read += records.size(); });
    const std::uint64_t lost = all_lost(*sensor_);
    EXPECT_GT(lost, 0u);
    EXPECT_GE(read + lost, 2u * processes);
}

}  // namespace
}  // namespace waggle::sensors
