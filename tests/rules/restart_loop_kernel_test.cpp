// SPDX-License-Identifier: Apache-2.0
// From a fault to the words: a program that fails again and again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "agent/session.h"

namespace waggle::agent {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t second_ns = 1'000'000'000;

// A shell with a script of its own; ends with its owner, and what it started ends by itself.
class Shell {
  public:
    explicit Shell(const char* script) : pid_(::fork()) {
        if (pid_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::execl("/bin/sh", "sh", "-c", script, nullptr);
        ::_exit(127);
    }
    Shell(const Shell&) = delete;
    Shell& operator=(const Shell&) = delete;
    ~Shell() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_t pid() const { return pid_; }

  private:
    pid_t pid_;
};

class RestartLoop : public testing::Test {
  protected:
    void SetUp() override {
        SessionOptions options;
        options.sensors = {"process"};
        auto started = Session::start(options, clock_);
        ASSERT_TRUE(started) << started.error().message;
        session_ = std::move(*started);
    }

    // The finding about what `parent` starts, looked for until it is there or `seconds` are over.
    const explain::Finding* finding(pid_t parent, std::uint64_t seconds) {
        const std::atomic<bool> stop{false};
        const std::string pid = std::to_string(parent);
        for (const std::uint64_t end = clock_.monotonic_ns() + seconds * second_ns;
             clock_.monotonic_ns() < end;) {
            session_->run(clock_.monotonic_ns() + second_ns / 2, stop, {});
            answer_ = session_->answer("process");
            for (const explain::Finding& found : answer_.findings)
                for (const auto& [key, value] : found.subject)
                    if (found.rule == "process_restart_loop" && key == "parent_pid" && value == pid)
                        return &found;
        }
        return nullptr;
    }

    // From fault to words in 5 s; an emulated machine runs some ten times slower.
    const std::uint64_t patience_ = std::getenv("WAGGLE_VM") ? 50 : 5;
    const SystemClock clock_;
    std::unique_ptr<Session> session_;
    explain::Answer answer_;
};

TEST_F(RestartLoop, a_program_that_exits_with_3_is_named_with_its_parent_and_rate) {
    const Shell shell("while true; do sh -c 'exit 3'; sleep 0.3; done");
    const explain::Finding* found = finding(shell.pid(), patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what, HasSubstr("sh restarts in a loop: it ended with exit code 3"));
    EXPECT_THAT(found->what, HasSubstr("times a minute"));
    EXPECT_EQ(found->object.kind, "executable");
    EXPECT_EQ(found->object.value, "sh -c exit 3");
    EXPECT_THAT(found->try_, testing::Contains(HasSubstr("kill " + std::to_string(shell.pid()))));
    ASSERT_EQ(found->evidence.size(), 2u);
    for (const explain::Evidence& evidence : found->evidence) {
        const auto again = session_->store().sql().query(evidence.query);
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_GE(again->rows.size(), evidence.rows.rows.size());
        EXPECT_GE(evidence.rows.rows.size(), 1u);
    }
}

TEST_F(RestartLoop, a_program_that_crashes_is_named_with_the_signal_in_words) {
    const Shell shell("while true; do sh -c 'ulimit -c 0; kill -SEGV $$'; sleep 0.3; done 2>/dev/null");
    const explain::Finding* found = finding(shell.pid(), patience_);
    ASSERT_NE(found, nullptr);
    EXPECT_THAT(found->what, HasSubstr("was killed by SIGSEGV"));
    EXPECT_THAT(found->because, testing::Contains("SIGSEGV ended it: it used memory that is not its own."));
    EXPECT_EQ(found->confidence, explain::Confidence::high);
}

TEST_F(RestartLoop, waiting_for_something_is_no_loop_of_failures) {
    const Shell waits("until ls /nonexistent/socket; do sleep 0.1; done 2>/dev/null");
    const Shell asks("while true; do echo a | grep -q b; sleep 0.1; done");
    const Shell works(
        "while true; do sh -c 'exit 3'; cat /dev/null; wc /dev/null; sort /dev/null; done >/dev/null");
    for (const pid_t parent : {waits.pid(), asks.pid(), works.pid()}) EXPECT_EQ(finding(parent, 2), nullptr);
    // They did fail meanwhile, so there was something to be silent about.
    const auto failed = session_->store().sql().query(
        "SELECT count(*) FROM process_exit WHERE exit_code <> 0 AND comm IN ('ls', 'grep', 'sh')");
    ASSERT_TRUE(failed) << failed.error().message;
    EXPECT_GE(failed->rows[0][0].integer, 6);
}

}  // namespace
}  // namespace waggle::agent
