// SPDX-License-Identifier: Apache-2.0
// Output that goes nowhere: a full device or a reader that has gone ends every command with exit code 3, and none with
// an abort. What needs no root is in cli_test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <future>
#include <string>
#include <vector>

#include "places.h"
#include "tests/testing/command.h"

namespace waggle {
namespace {

using testing::AnyOf;
using testing::Eq;
using testing::HasSubstr;
using testing::Not;

const std::string recording = WAGGLE_SOURCE_DIR "/tests/recordings/old_process_restart_loop_exit.waggle";

std::vector<std::string> commands() {
    const std::string file = testing::TempDir() + "waggle_output_" + std::to_string(getpid());
    return {"--for 2s",
            "--for 2s --output json",
            "why --for 1s",
            "why --for 1s --output json",
            "trace process --for 2s",
            "trace process --for 2s --output json",
            "top process --for 1s",
            "hist block_io --for 1s",
            "query \"SELECT * FROM processes\"",
            "query \"SELECT * FROM process_fork\" --for 1s",
            "query \"SELECT count(*) FROM process_fork\" --recording " + recording,
            "record " + file + " --for 1s",
            "replay " + recording,
            "probe raw_tp:sched_switch --for 1s --rows 20",
            "lab list",
            "doctor"};
}

// In a shell that also tells what came of it, with programs starting meanwhile so that there is something to print.
test::Outcome in_shell(const std::string& command, const std::string& where) {
    return test::outcome_of(
        "bash -c 'exec 3>&1; (for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; sleep 0.3; done) & " +
        test::waggle_command(command) + " " + where + "; code=${PIPESTATUS[0]}; kill $!; exit $code' 2>&1");
}

#ifdef WAGGLE_SANITIZED
constexpr bool sanitized = true;
#else
constexpr bool sanitized = false;
#endif

// The commands side by side, two at a time: loading programs is what takes time. Under the sanitizers, where it takes ten
// times as long, each command meets one of the three ways, of which this is `way`.
void each(std::size_t way, const std::string& where,
          const std::function<void(const std::string&, const test::Outcome&)>& expect) {
    std::vector<std::string> all;
    const std::vector<std::string> those = commands();
    for (std::size_t i = 0; i < those.size(); ++i)
        if (!sanitized || i % 3 == way) all.push_back(those[i]);
    for (std::size_t i = 0; i < all.size(); i += 2) {
        std::vector<std::future<test::Outcome>> ran;
        for (std::size_t k = i; k < std::min(i + 2, all.size()); ++k)
            ran.push_back(std::async(std::launch::async, [&, k] { return in_shell(all[k], where); }));
        for (std::size_t k = 0; k < ran.size(); ++k) expect(all[i + k], ran[k].get());
    }
}

TEST(Output, to_a_full_device_ends_every_command_with_exit_code_3) {
    each(0, ">/dev/full", [](const std::string& command, const test::Outcome& outcome) {
        EXPECT_EQ(outcome.code, 3) << command << ": " << outcome.text;
        EXPECT_THAT(outcome.text, HasSubstr("cannot write the output: No space left on device")) << command;
    });
}

TEST(Output, to_a_reader_that_goes_ends_no_command_with_an_abort) {
    each(1, "2>&1 | head -1 >&3", [](const std::string& command, const test::Outcome& outcome) {
        EXPECT_THAT(outcome.code, AnyOf(Eq(0), Eq(1), Eq(3))) << command << ": " << outcome.text;
        EXPECT_THAT(outcome.text, Not(HasSubstr("terminate"))) << command;
    });
}

TEST(Output, of_errors_to_a_full_device_ends_no_command_with_an_abort) {
    each(2, "2>/dev/full >/dev/null", [](const std::string& command, const test::Outcome& outcome) {
        EXPECT_THAT(outcome.code, AnyOf(Eq(0), Eq(1), Eq(3))) << command;
        // It always says how many rows it saw and lost.
        if (command.starts_with("trace")) {
            EXPECT_EQ(outcome.code, 3) << command;
        }
    });
}

}  // namespace
}  // namespace waggle
