// SPDX-License-Identifier: Apache-2.0
// A whole trial with a program in waggle's place: it finds something as long as the fault's file is there.
#include "lab/trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "places.h"

namespace waggle::lab {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class TrialTest : public testing::Test {
  protected:
    TrialTest() {
        lab_ = (fs::temp_directory_path() / "waggle-lab-test.XXXXXX").string();
        EXPECT_TRUE(::mkdtemp(lab_.data()));
        fs::copy_file(WAGGLE_SOURCE_DIR "/lab/lib.bash", lab_ + "/lib.bash");
        fs::copy_file(WAGGLE_SOURCE_DIR "/lab/heal", lab_ + "/heal");
        fs::create_directory(lab_ + "/fault");
        fault_.name = "fault";
        fault_.folder = lab_ + "/fault";
        fault_.expected.rules = {"the_file"};
        script(lab_ + "/fault/inject", ". \"$(dirname \"$0\")/../lib.bash\"\ntouch " + file() +
                                           "\nown the_word\nstart sleeper sleep 100\n");
        trial_.lab = lab_;
        trial_.program = lab_ + "/waggle";
        trial_.release = "6.18.0";
        trial_.watch_ns = 10'000'000;
        trial_.settle = std::chrono::milliseconds(1);
    }
    ~TrialTest() override { fs::remove_all(lab_); }

    std::string file() const { return lab_ + "/file"; }
    static void script(const std::string& path, const std::string& body) {
        std::ofstream(path) << "#!/bin/bash\n" << body;
        fs::permissions(path, fs::perms::owner_all);
    }
    // waggle finds the file and advises this command; its text for people is `text`.
    void advises(const std::string& command,
                 const std::string& text = "The file of the_word is there.") const {
        script(
            lab_ + "/waggle",
            "echo \"$*\" >> " + lab_ + "/asked\nif [[ $1 == replay ]]; then echo '" + text +
                "'; exit 1; fi\n[[ ! -e " + file() +
                " ]] && { echo '{\"findings\": []}'; exit 0; }\ncat << END\n" +
                R"({"findings": [{"id": "a", "rule": "the_file", "severity": "note", "confidence": "high",)"
                R"("what": "The file of the_word is there.", "because": [], "impact": "", "try": [")" +
                command + R"("], "object": {"kind": "file", "name": "the_word", "value": ""}}]})" +
                "\nEND\nexit 1\n");
    }
    Score tried() { return try_fault(fault_, trial_, stop_); }

    std::string lab_;
    Fault fault_;
    Trial trial_;
    std::atomic<bool> stop_{false};
};

TEST_F(TrialTest, a_fault_is_asked_about_once_and_its_text_is_replayed_from_the_recording) {
    advises("true");
    fault_.question = "drops";
    const Score score = tried();
    EXPECT_EQ(score.failed, "");
    ASSERT_TRUE(score.verdict);
    EXPECT_TRUE(score.right());
    std::ifstream asked(lab_ + "/asked");
    std::string first, second;
    std::getline(asked, first);
    std::getline(asked, second);
    EXPECT_THAT(first, HasSubstr("why drops --for 10ms --output json --record /"));
    EXPECT_THAT(second, HasSubstr("replay /"));
}

TEST_F(TrialTest, a_text_for_people_that_says_something_else_is_a_miss) {
    advises("true", "Nothing found.");
    const Score score = tried();
    ASSERT_TRUE(score.verdict);
    EXPECT_FALSE(score.right());
}

TEST_F(TrialTest, a_pasted_command_heals_or_shows_or_does_not_help) {
    trial_.paste = true;
    const struct {
        std::string command;
        Pasted::Effect effect;
    } pasted[] = {
        {"rm " + file(), Pasted::Effect::healed},
        {"ls " + file() + "    # is it there?", Pasted::Effect::shows},
        {"true", Pasted::Effect::no_help},
        {"printf %s -w    # says what it set", Pasted::Effect::no_help},
        {"ls /no/such/file", Pasted::Effect::no_help},
        {"kill 1", Pasted::Effect::refused},
        {"pkill the_word", Pasted::Effect::refused},
    };
    for (const auto& [command, effect] : pasted) {
        advises(command);
        const Score score = tried();
        EXPECT_EQ(score.failed, "");
        ASSERT_EQ(score.pasted.size(), 1u) << command;
        EXPECT_EQ(effect_name(score.pasted[0].effect), effect_name(effect)) << command;
        fs::remove(file());
    }
}

TEST_F(TrialTest, a_question_that_fails_is_a_failure_and_heals) {
    script(lab_ + "/waggle", "echo 'waggle: no BTF.' >&2; exit 3\n");
    const Score score = tried();
    EXPECT_EQ(score.failed, "waggle why ended with 3: waggle: no BTF.");
    EXPECT_FALSE(score.verdict);
    EXPECT_TRUE(score.counts_against());
}

TEST_F(TrialTest, a_fault_for_another_kernel_is_skipped_and_said_so) {
    advises("true");
    fault_.kernels = "7.1+";
    const Score score = tried();
    EXPECT_EQ(score.skipped, "this kernel is 6.18.0, the fault is for 7.1+");
    EXPECT_FALSE(score.counts_against());
    EXPECT_FALSE(fs::exists(file()));
}

// The program answers only when as many of it run at the same time.
TEST_F(TrialTest, several_faults_are_there_at_once_and_the_scores_keep_their_order) {
    advises("true");
    const std::string body = *read_file(lab_ + "/waggle");
    script(lab_ + "/waggle",
           "if [[ $1 == why ]]; then touch " + lab_ + "/here.$$; for i in {1..100}; do [[ $(ls " + lab_ +
               " | grep -c here) -ge 3 ]] && break; sleep 0.1; done; [[ $i -lt 100 ]] || exit 7; fi\n" +
               body.substr(body.find('\n') + 1));
    std::vector<Fault> faults(3, fault_);
    faults[0].expected.rules = {"another_rule"};
    std::vector<const Fault*> wanted;
    for (const Fault& fault : faults) wanted.push_back(&fault);
    std::size_t told = 0;
    const std::vector<Score> scores = try_faults(wanted, trial_, 3, stop_, [&](const Score&) { ++told; });
    EXPECT_EQ(told, 3u);
    ASSERT_EQ(scores.size(), 3u);
    for (const Score& score : scores) EXPECT_EQ(score.failed, "");
    EXPECT_FALSE(scores[0].right());
    EXPECT_TRUE(scores[1].right() && scores[2].right());
}

TEST_F(TrialTest, after_an_interruption_no_further_fault_is_made) {
    advises("true");
    stop_ = true;
    const Fault* wanted[] = {&fault_, &fault_};
    EXPECT_TRUE(try_faults(wanted, trial_, 1, stop_, [](const Score&) {}).empty());
}

}  // namespace
}  // namespace waggle::lab
