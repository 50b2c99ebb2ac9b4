// SPDX-License-Identifier: Apache-2.0
// Faults that only make files: what the stage promises needs no root.
#include "lab/stage.h"
#include "places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

namespace waggle::lab {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::ElementsAre;

class StageTest : public testing::Test {
  protected:
    StageTest() {
        lab_ = (fs::temp_directory_path() / "waggle-lab-test.XXXXXX").string();
        EXPECT_TRUE(::mkdtemp(lab_.data()));
        fs::copy_file(WAGGLE_SOURCE_DIR "/lab/lib.bash", lab_ + "/lib.bash");
        fs::copy_file(WAGGLE_SOURCE_DIR "/lab/heal", lab_ + "/heal");
        options_.lab = lab_;
        options_.seed = 5;
        fs::create_directory(lab_ + "/fault");
        fault_.name = "fault";
        fault_.folder = lab_ + "/fault";
    }
    ~StageTest() override { fs::remove_all(lab_); }

    void script(const std::string& name, const std::string& body) const {
        std::ofstream(fault_.folder + "/" + name) << "#!/bin/bash\n. \"$(dirname \"$0\")/../lib.bash\"\n"
                                                  << body;
        fs::permissions(fault_.folder + "/" + name, fs::perms::owner_all);
    }
    std::optional<Stage> set_up() { return Stage::set_up(fault_, options_, stop_, failure_); }

    // What the lab has left in the folder for temporary files and among the processes.
    static bool is_gone(const std::string& folder, const std::string& pid) {
        for (int i = 0; i < 100; ++i, std::this_thread::sleep_for(50ms))
            if (!fs::exists(folder) && !fs::exists("/proc/" + pid)) return true;
        return false;
    }
    std::string remembered(const std::string& name) const {
        std::ifstream file(lab_ + "/" + name);
        std::string text;
        std::getline(file, text);
        return text;
    }
    // Tells the test where the fault lives, and starts a program that would live for long.
    std::string remember() const {
        return "echo $LAB_STATE > " + lab_ + "/state\nstart sleeper sleep 1000\npgrep -P $pid_sleeper > " +
               lab_ + "/pid || true\nfor i in $(seq 100); do pgrep -P $pid_sleeper > " + lab_ +
               "/pid && break; sleep 0.02; done\n";
    }

    std::string lab_;
    Fault fault_;
    Stage::Options options_;
    std::atomic<bool> stop_{false};
    Stage::Failure failure_;
};

TEST_F(StageTest, what_inject_says_is_known_and_what_it_made_goes_with_the_stage) {
    script("inject", remember() + "value colour 'blue = green'\nown blue\n");
    {
        std::optional<Stage> stage = set_up();
        ASSERT_TRUE(stage) << failure_.why;
        const Result<Injected> injected = stage->injected();
        ASSERT_TRUE(injected);
        EXPECT_EQ(injected->values.at("colour"), "blue = green");
        EXPECT_THAT(injected->own, ElementsAre(stage->folder(), "blue"));
        EXPECT_TRUE(fs::exists("/proc/" + remembered("pid")));
        EXPECT_TRUE(stage->owns_process(std::stoull(remembered("pid"))));
        EXPECT_FALSE(stage->owns_process(static_cast<std::uint64_t>(::getpid())));
    }
    EXPECT_TRUE(is_gone(remembered("state"), remembered("pid")));
}

TEST_F(StageTest, an_inject_that_fails_is_healed_and_told_with_its_words) {
    script("inject", remember() + "fail 'no such device'\n");
    EXPECT_FALSE(set_up());
    EXPECT_EQ(failure_.why, "inject ended with 1: no such device");
    EXPECT_FALSE(failure_.cannot);
    EXPECT_TRUE(is_gone(remembered("state"), remembered("pid")));
}

TEST_F(StageTest, a_command_that_fails_in_the_middle_of_inject_ends_it) {
    script("inject", "false\nvalue reached yes\n");
    EXPECT_FALSE(set_up());
    EXPECT_EQ(failure_.why, "inject ended with 1");
}

TEST_F(StageTest, what_this_machine_lacks_is_no_failure_of_the_fault) {
    script("inject", "cannot 'no control group with the controller io'\n");
    EXPECT_FALSE(set_up());
    EXPECT_TRUE(failure_.cannot);
    EXPECT_EQ(failure_.why, "no control group with the controller io");
}

TEST_F(StageTest, an_interrupted_inject_is_healed) {
    script("inject", remember() + "sleep 100\n");
    std::thread interrupts([&] {
        while (remembered("pid").empty()) std::this_thread::sleep_for(20ms);
        stop_ = true;
    });
    EXPECT_FALSE(set_up());
    interrupts.join();
    EXPECT_TRUE(failure_.interrupted);
    EXPECT_TRUE(is_gone(remembered("state"), remembered("pid")));
}

TEST_F(StageTest, a_process_that_dies_without_a_word_leaves_nothing_behind) {
    script("inject", remember());
    const pid_t child = ::fork();
    if (child == 0) {
        const std::optional<Stage> stage = set_up();
        ::kill(::getpid(), SIGKILL);
        ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    ASSERT_NE(remembered("pid"), "");
    EXPECT_TRUE(is_gone(remembered("state"), remembered("pid")));
}

TEST_F(StageTest, a_heal_that_fails_is_told) {
    script("inject", "");
    script("heal", "rm -r $LAB_STATE\nfail 'left behind: loop9'\n");
    std::optional<Stage> stage = set_up();
    ASSERT_TRUE(stage) << failure_.why;
    const Result<void> healed = stage->heal();
    ASSERT_FALSE(healed);
    EXPECT_EQ(healed.error().message, "heal ended with 1: left behind: loop9");
    EXPECT_TRUE(stage->heal()) << "the second time does nothing";
}

TEST_F(StageTest, the_same_seed_gives_the_same_names_and_another_seed_others) {
    script("inject", "program_name a b\nport p q\nnetworks n m\ndevice_names d e\n");
    const auto values = [&](std::uint64_t seed) {
        options_.seed = seed;
        std::optional<Stage> stage = set_up();
        EXPECT_TRUE(stage) << failure_.why;
        return stage ? stage->injected()->values : Values{};
    };
    const Values first = values(5), again = values(5), other = values(6);
    EXPECT_EQ(first, again);
    EXPECT_NE(first, other);
    for (const Values& one : {first, other}) {
        EXPECT_NE(one.at("a"), one.at("b"));
        EXPECT_NE(one.at("p"), one.at("q"));
        EXPECT_NE(one.at("n"), one.at("m"));
        EXPECT_NE(one.at("d"), one.at("e"));
    }
}

TEST(Run, keeps_what_is_printed_and_ends_in_time) {
    const std::atomic<bool> stop{false};
    Command command{{"sh", "-c", "echo out; echo err >&2; exit 3"}, {{"NAME", "value"}}, 10s};
    const Result<Outcome> ran = run(command, stop);
    ASSERT_TRUE(ran) << ran.error().message;
    EXPECT_EQ(ran->code, 3);
    EXPECT_EQ(ran->out, "out\n");
    EXPECT_EQ(ran->err, "err\n");
    const Result<Outcome> slow =
        run({{"sh", "-c", "echo $NAME; sleep 100"}, {{"NAME", "value"}}, 300ms}, stop);
    ASSERT_TRUE(slow);
    EXPECT_TRUE(slow->timed_out);
    EXPECT_EQ(slow->out, "value\n");
    // A program left in the background holds nobody up.
    const Result<Outcome> left = run({{"sh", "-c", "sleep 3 & echo done"}, {}, 60s}, stop);
    ASSERT_TRUE(left);
    EXPECT_EQ(left->out, "done\n");
    EXPECT_FALSE(run({{"/no/such/program"}, {}, 1s}, stop));
}

}  // namespace
}  // namespace waggle::lab
