// SPDX-License-Identifier: Apache-2.0
// Processes of the test's own, whose figures the kernel tells too: /proc/PID/schedstat, /proc/PID/status, the clock of
// the process.
#include <gtest/gtest.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "model/histogram.h"
#include "sensing/testing/drain_whole.h"
#include "sensors/run_queue/run_queue.event.h"
#include "sensors/run_queue/run_queue.h"

namespace waggle::sensors {
namespace {

using std::chrono::steady_clock;

std::uint64_t clock_ns(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

// Takes that much processor time.
void work(std::uint64_t ns) {
    const std::uint64_t until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;
    while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until) {
    }
}

void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

bool until(const std::function<bool()>& holds) {
    const auto end = steady_clock::now() + std::chrono::seconds(120);
    while (!holds()) {
        if (steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return true;
}

// A child that does its work and then sleeps until it is killed.
class Child {
  public:
    explicit Child(const std::function<void()>& does) {
        if (::pipe(pipe_) != 0) std::abort();
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        char begin = 0;
        if (::read(pipe_[0], &begin, 1) != 1) ::_exit(1);
        does();
        ::signal(SIGALRM, SIG_IGN);
        for (;;) ::pause();
    }
    ~Child() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        ::close(pipe_[0]);
        ::close(pipe_[1]);
    }
    Child(const Child&) = delete;

    std::uint32_t pid() const { return static_cast<std::uint32_t>(pid_); }
    void begin() const { ASSERT_EQ(::write(pipe_[1], "b", 1), 1); }
    // It sleeps in pause().
    bool is_done() const {
        const std::string stack = read("/syscall");
        return stack.starts_with("34 ");
    }
    bool wait_until_done() const {
        return until([this] { return is_done(); });
    }

    struct Schedstat {
        std::uint64_t run_ns = 0, wait_ns = 0, times = 0;
    };
    // As the kernel counts it.
    std::uint64_t migrations() const {
        const std::string text = read("/sched");
        const std::size_t at = text.find("nr_migrations");
        return at == std::string::npos ? 0 : std::stoull(text.substr(text.find(':', at) + 1));
    }
    Schedstat schedstat() const {
        std::istringstream text(read("/schedstat"));
        Schedstat stat;
        text >> stat.run_ns >> stat.wait_ns >> stat.times;
        return stat;
    }
    std::uint64_t status(const std::string& key) const {
        std::istringstream text(read("/status"));
        for (std::string line; std::getline(text, line);)
            if (line.starts_with(key + ":")) return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10);
        return UINT64_MAX;
    }
    std::uint64_t processor_ns() const {
        clockid_t clock{};
        ::clock_getcpuclockid(pid_, &clock);
        return clock_ns(clock);
    }

  private:
    std::string read(const std::string& file) const {
        std::ifstream in("/proc/" + std::to_string(pid_) + file);
        std::ostringstream text;
        text << in.rdbuf();
        return text.str();
    }
    int pipe_[2] = {};
    pid_t pid_ = 0;
};

// What the times on a processor are together, by a histogram of them.
struct Slices {
    std::uint64_t count = 0, least_ns = 0, most_ns = 0;
    void add(std::string_view slots) {
        HistogramReader reader(slots);
        std::size_t slot = 0;
        for (std::uint64_t times = 0; reader.next(slot, times); count += times) {
            least_ns += times * reader.form().lower_bound(slot);
            most_ns += times * reader.form().upper_bound(slot);
        }
    }
};

class RunQueueKernel : public testing::Test {
  protected:
    void start(const StartOptions& options = {}) {
        auto started = run_queue_source.start(options, names_);
        ASSERT_TRUE(started) << started.error().message;
        sensor_ = std::move(*started);
    }
    // Adds what was counted since the last time to `totals_` and `cpus_`.
    void read() {
        sensor_->snapshot([&](std::span<const Bytes> records) {
            for (const Bytes record : records) {
                const Result<Row> row = sensor_->read(record);
                ASSERT_TRUE(row) << row.error().message;
                if (row->schema().name == "run_queue_total") add(row->as<run_queue_total_event>());
                if (row->schema().name == "run_queue_cpu") {
                    const auto one = row->as<run_queue_cpu_event>();
                    cpus_[one.cpu].busy_ns += one.busy_ns;
                    cpus_[one.cpu].queue_ns += one.queue_ns;
                    cpus_[one.cpu].covers_ns += one.covers_ns;
                }
                if (row->schema().name == "run_queue_slice") {
                    const auto slots = row->histogram(*row->schema().find("run_histogram"));
                    slices_[row->u64("cpu")].add(slots);
                }
                if (row->schema().name == "run_queue_thread") {
                    const auto one = row->as<run_queue_thread_event>();
                    threads_[one.header.tid] = one;
                }
            }
        });
    }
    void add(const run_queue_total_event& one) {
        run_queue_total_event& all = totals_[one.header.pid];
        all.header = one.header;
        all.run_ns += one.run_ns;
        all.wait_ns += one.wait_ns;
        all.waits += one.waits;
        all.held_ns += one.held_ns;
        all.held += one.held;
        all.voluntary += one.voluntary;
        all.involuntary += one.involuntary;
        all.migrations += one.migrations;
        all.sleep_ns += one.sleep_ns;
        all.io_ns += one.io_ns;
        all.uninterruptible_ns += one.uninterruptible_ns;
        all.stopped_ns += one.stopped_ns;
        all.unseen_ns += one.unseen_ns;
        all.nice = one.nice;
        all.session_id = one.session_id;
        all.longest_wait_ns = std::max(all.longest_wait_ns, one.longest_wait_ns);
    }
    void expect_no_loss() {
        for (const Loss& loss : sensor_->losses()) EXPECT_EQ(loss.count, 0u) << loss.cause;
    }

    Names names_;
    std::unique_ptr<Running> sensor_;
    std::map<std::uint32_t, run_queue_total_event> totals_;
    std::map<std::uint32_t, run_queue_cpu_event> cpus_;
    std::map<std::uint32_t, run_queue_thread_event> threads_;
    std::map<std::uint64_t, Slices> slices_;
};

// Between the kernel's look at its clock and ours lie some hundred instructions, of which an emulated machine runs few.
const bool emulated = std::getenv("WAGGLE_VM") != nullptr;
const std::uint64_t border_ns = emulated ? 10'000'000 : 1'000'000;
// Such a look is taken at each switch; and what interrupts take of a thread's time, much where they are emulated, is ours
// to count and not the kernel's. A busy host takes a virtual machine's processor away in between.
const std::uint64_t switch_ns = emulated ? 500'000 : 50'000;

void expect_near(std::uint64_t told, std::uint64_t truth, std::uint64_t slack_ns, const char* what) {
    const double far = static_cast<double>(told > truth ? told - truth : truth - told);
    EXPECT_LE(far, static_cast<double>(truth) * 0.01 + static_cast<double>(slack_ns))
        << what << ": told " << told << ", the kernel says " << truth;
}

void expect_within(std::uint64_t told, std::uint64_t truth, std::uint64_t slack, const char* what) {
    EXPECT_LE(told > truth ? told - truth : truth - told, slack)
        << what << ": told " << told << ", the kernel says " << truth;
}

// Two that want the same processor: each waits while the other runs.
TEST_F(RunQueueKernel, time_on_and_waiting_for_a_processor_and_all_switches_are_what_the_kernel_says) {
    start();
    const auto turns = [] {
        pin(0);
        for (int turn = 0; turn < 20; ++turn) {
            work(10'000'000);
            ::usleep(1000);
        }
    };
    const Child one(turns), other(turns);
    one.begin();
    other.begin();
    // Many readings: nothing is counted twice, nothing is left out.
    ASSERT_TRUE(until([&] {
        const bool done = one.is_done() && other.is_done();
        read();
        return done;
    }));
    for (const Child* child : {&one, &other}) {
        const run_queue_total_event& told = totals_[child->pid()];
        const Child::Schedstat truth = child->schedstat();
        std::printf("run %llu ns of %llu, waits %llu ns of %llu\n",
                    static_cast<unsigned long long>(told.run_ns),
                    static_cast<unsigned long long>(truth.run_ns),
                    static_cast<unsigned long long>(told.wait_ns + told.held_ns),
                    static_cast<unsigned long long>(truth.wait_ns));
        const std::uint64_t slack_ns = border_ns + truth.times * switch_ns + told.unseen_ns;
        expect_near(told.run_ns, truth.run_ns, slack_ns, "run_ns");
        expect_near(told.wait_ns + told.held_ns, truth.wait_ns, slack_ns, "wait_ns");
        // Equal, but for events that the kernel left out; those leave a trace.
        const std::uint64_t left_out = told.unseen_ns > 0 ? 3 : 0;
        expect_within(told.waits + told.held, truth.times, left_out, "times");
        expect_within(told.voluntary, child->status("voluntary_ctxt_switches"), left_out, "voluntary");
        expect_within(told.involuntary, child->status("nonvoluntary_ctxt_switches"), left_out, "involuntary");
        EXPECT_GE(told.longest_wait_ns, told.wait_ns / std::max<__u64>(told.waits, 1));
        const run_queue_thread_event& thread = threads_[child->pid()];
        EXPECT_STREQ(thread.cpus, "0");
        EXPECT_EQ(thread.session_id, static_cast<std::uint32_t>(::getsid(0)));
    }
    expect_no_loss();
}

TEST_F(RunQueueKernel, one_that_runs_on_and_on_is_counted_at_every_reading) {
    const Child hog([] {
        for (;;) work(1'000'000'000);
    });
    hog.begin();
    ASSERT_TRUE(until([&] { return hog.processor_ns() > 50'000'000; }));
    start();
    const std::uint64_t before = hog.processor_ns();
    int at_once = 0;
    for (int reading = 0; reading < 5; ++reading) {
        const std::uint64_t from = hog.processor_ns();
        ASSERT_TRUE(until([&] { return hog.processor_ns() > from + 200'000'000; }));
        // Where the kernel left out the event with which it came back, it is found at its next one.
        int looks = 0;
        ASSERT_TRUE(until([&] {
            const std::uint64_t least = hog.processor_ns() - before;
            read();
            ++looks;
            const run_queue_total_event& told = totals_[hog.pid()];
            return static_cast<double>(told.run_ns + told.unseen_ns) >= static_cast<double>(least) * 0.99;
        }));
        at_once += looks == 1;
        const std::uint64_t most = hog.processor_ns() - before;
        // From the start of the hooks to the first look at the clock it ran too.
        EXPECT_LE(static_cast<double>(totals_[hog.pid()].run_ns), static_cast<double>(most) * 1.01 + 30e6);
    }
    EXPECT_GE(at_once, 2);
}

TEST_F(RunQueueKernel, a_real_time_thread_has_its_policy_and_priority) {
    start();
    const Child child([] {
        pin(0);
        sched_param priority{};
        priority.sched_priority = 7;
        if (::sched_setscheduler(0, SCHED_RR, &priority) == 0) work(100'000'000);
    });
    child.begin();
    // Without a reading meanwhile: such a thread can keep the reader off the processor from its beginning to its end.
    ASSERT_TRUE(until([&] { return child.is_done(); }));
    read();
    const run_queue_thread_event& told = threads_[child.pid()];
    EXPECT_EQ(told.policy, static_cast<unsigned>(SCHED_RR));
    EXPECT_EQ(told.priority, 7u);
    EXPECT_EQ(told.cpu, 0u);
    EXPECT_EQ(totals_[child.pid()].session_id, static_cast<std::uint32_t>(::getsid(0)));
}

TEST_F(RunQueueKernel, why_a_thread_is_not_on_a_processor_is_told_apart) {
    start();
    const Child sleeper([] { ::usleep(300'000); });
    // With CLONE_VFORK the parent sleeps so that only a deadly signal wakes it, until the child is gone.
    const Child parent([] {
        if (::syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0) {
            ::usleep(300'000);
            ::_exit(0);
        }
        ::wait(nullptr);
    });
    const Child stopped([] {
        for (;;) work(1'000'000);
    });
    for (const Child* child : {&sleeper, &parent, &stopped}) child->begin();
    ASSERT_TRUE(sleeper.wait_until_done());
    ASSERT_TRUE(parent.wait_until_done());
    ::kill(static_cast<pid_t>(stopped.pid()), SIGSTOP);
    ::waitpid(static_cast<pid_t>(stopped.pid()), nullptr, WUNTRACED);
    ::usleep(300'000);
    ::kill(static_cast<pid_t>(stopped.pid()), SIGCONT);
    const std::uint64_t then = stopped.processor_ns();
    ASSERT_TRUE(until([&] { return stopped.processor_ns() > then; }));
    read();
    EXPECT_GE(totals_[sleeper.pid()].sleep_ns, 300'000'000u);
    EXPECT_LT(totals_[sleeper.pid()].uninterruptible_ns, 300'000'000u);
    EXPECT_EQ(totals_[sleeper.pid()].stopped_ns, 0u);
    // The child can begin its pause before its parent is off the processor.
    EXPECT_GE(totals_[parent.pid()].uninterruptible_ns + border_ns, 300'000'000u);
    EXPECT_GE(totals_[stopped.pid()].stopped_ns, 300'000'000u);
    EXPECT_EQ(totals_[stopped.pid()].uninterruptible_ns, 0u);
}

TEST_F(RunQueueKernel, every_move_to_another_processor_is_counted) {
    ASSERT_GE(::sysconf(_SC_NPROCESSORS_ONLN), 2);
    start();
    const Child mover([] {
        pin(0);
        for (int move = 1; move <= 20; ++move) pin(move % 2);
    });
    read();
    mover.begin();
    ASSERT_TRUE(mover.wait_until_done());
    read();
    // Of 20 at least; the kernel moves it besides, as it likes, and counts all of them. An event can be left out.
    const std::uint64_t counted = mover.migrations();
    EXPECT_GE(counted, 20u);
    EXPECT_LE(totals_[mover.pid()].migrations, counted);
    EXPECT_GE(totals_[mover.pid()].migrations + 1, counted);
}

TEST_F(RunQueueKernel, programs_that_come_and_go_between_two_readings_have_their_rows_and_names) {
    start();
    read();
    totals_.clear();
    std::set<std::uint32_t> pids;
    for (int each = 0; each < 100; ++each) {
        char program[] = "/bin/true";
        char* const arguments[] = {program, nullptr};
        pid_t pid = 0;
        ASSERT_EQ(::posix_spawn(&pid, program, nullptr, nullptr, arguments, environ), 0);
        ::waitpid(pid, nullptr, 0);
        pids.insert(static_cast<std::uint32_t>(pid));
    }
    read();
    std::size_t ran = 0, waited = 0;
    for (const std::uint32_t pid : pids) {
        ASSERT_TRUE(totals_.contains(pid)) << pid;
        EXPECT_STREQ(totals_[pid].header.comm, "true");
        ran += totals_[pid].run_ns > 0;
        waited += totals_[pid].waits > 0;  // new, it waited for its first time on a processor
    }
    // All, but for those of which the kernel left out an event.
    EXPECT_GE(ran, pids.size() - 3);
    EXPECT_GE(waited, pids.size() - 3);
    expect_no_loss();
}

// An array has a thread only where it was seen: what was there before is read once.
TEST_F(RunQueueKernel, processors_are_never_busier_than_the_time_that_went_by) {
    const Child hog([] {
        for (;;) work(1'000'000'000);
    });
    start();
    hog.begin();
    for (int reading = 0; reading < 3; ++reading) {
        ::usleep(200'000);
        read();
    }
    ASSERT_EQ(cpus_.size(), static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_ONLN)));
    std::uint64_t busy = 0;
    for (const auto& [cpu, row] : cpus_) {
        EXPECT_LE(row.busy_ns, row.covers_ns);
        EXPECT_GT(row.covers_ns, 500'000'000u);
        busy += row.busy_ns;
    }
    std::uint64_t run = 0, unseen = 0;
    for (const auto& [pid, row] : totals_) {
        run += row.run_ns;
        unseen += row.unseen_ns;
    }
    // The time of all threads is the time that all processors were busy.
    expect_near(run, busy, 5 * border_ns + unseen, "all threads");
}

// Who reads is on that processor too, so that nobody else is in the middle of his time when it is read.
TEST_F(RunQueueKernel, times_on_a_processor_are_together_what_it_was_busy) {
    cpu_set_t before;
    ::sched_getaffinity(0, sizeof before, &before);
    pin(0);
    StartOptions options;
    options.tables = {"run_queue_slice"};
    start(options);
    const Child child([] {
        for (int turn = 0; turn < 50; ++turn) {
            work(4'000'000);
            ::usleep(1000);
        }
    });
    child.begin();
    const bool done = child.wait_until_done();
    read();
    ::sched_setaffinity(0, sizeof before, &before);
    ASSERT_TRUE(done);
    const Slices& slices = slices_[0];
    EXPECT_GE(slices.count, 50u);
    EXPECT_GE(cpus_[0].busy_ns, 200'000'000u);
    const std::uint64_t slack_ns = cpus_[0].busy_ns / 100 + border_ns;
    EXPECT_LE(slices.least_ns, cpus_[0].busy_ns + slack_ns);
    EXPECT_GE(slices.most_ns + slack_ns, cpus_[0].busy_ns);
    expect_no_loss();
}

TEST_F(RunQueueKernel, times_on_a_processor_are_not_counted_where_nobody_asks) {
    start();
    ::usleep(10'000);
    read();
    EXPECT_FALSE(cpus_.empty());
    EXPECT_TRUE(slices_.empty());
}

TEST_F(RunQueueKernel, each_wait_that_ended_is_a_row_where_rows_are_asked_for) {
    const Child sleeper([] {
        for (int turn = 0; turn < 100; ++turn) ::usleep(1000);
    });
    StartOptions options;
    options.mode = Mode::events;
    options.filters = {{"pid", sleeper.pid()}};
    start(options);
    sleeper.begin();
    ASSERT_TRUE(sleeper.wait_until_done());
    read();
    const run_queue_total_event& total = totals_[sleeper.pid()];
    std::uint64_t rows = 0, waited_ns = 0;
    drain_whole(*sensor_, [&](std::span<const Bytes> records) {
        for (const Bytes record : records) {
            const Result<Row> row = sensor_->read(record);
            ASSERT_TRUE(row) << row.error().message;
            const auto event = row->as<run_queue_wait_event>();
            EXPECT_EQ(event.header.pid, sleeper.pid());
            EXPECT_NE(event.before_pid, sleeper.pid());
            ++rows;
            waited_ns += event.wait_ns;
        }
    });
    EXPECT_GE(rows, 95u);
    // Whose end had no event was found later, and is no row.
    expect_within(rows, total.waits + total.held, total.unseen_ns > 0 ? 3 : 0, "rows");
    expect_near(total.wait_ns + total.held_ns, waited_ns, border_ns / 10 + total.unseen_ns, "waits");
    expect_no_loss();
}

}  // namespace
}  // namespace waggle::sensors
