// SPDX-License-Identifier: Apache-2.0
// Every fault of the lab: its description is sound, and what was recorded of it is answered right. The
// recordings lie beside the faults (lab/FAULT/recording.waggle); no fault is named here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>

#include "agent/replay.h"
#include "base/text.h"
#include "lab/excerpt.h"
#include "lab/fault.h"
#include "lab/verdict.h"
#include "places.h"
#include "render/json.h"

namespace waggle::lab {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::IsEmpty;
using testing::Not;

const std::string lab_folder = WAGGLE_SOURCE_DIR "/lab";

// Folders with a fault.yaml, sound or not.
std::vector<std::string> fault_names() {
    std::vector<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(lab_folder))
        if (entry.path().filename() == "fault.yaml")
            out.push_back(fs::relative(entry.path().parent_path(), lab_folder).string());
    std::sort(out.begin(), out.end());
    return out;
}
std::string recording_of(const std::string& name) { return lab_folder + "/" + name + "/recording.waggle"; }

std::unique_ptr<agent::Replay> replay_of(const std::string& name) {
    Result<std::unique_ptr<agent::Replay>> replay = agent::Replay::open(recording_of(name));
    EXPECT_TRUE(replay) << replay.error().message;
    return replay ? std::move(*replay) : nullptr;
}

// All that a fault says of its answer, in which values can stand.
std::vector<Pattern> patterns_of(const Fault& fault) {
    std::vector<Pattern> out;
    const Expected& expected = fault.expected;
    if (expected.object) out.push_back(*expected.object);
    for (const auto* list :
         {&expected.says, &expected.also, &expected.seen, &expected.never, &expected.misleading})
        out.insert(out.end(), list->begin(), list->end());
    return out;
}

class LabFault : public testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        const Result<Fault> fault = read_fault(lab_folder, GetParam());
        ASSERT_TRUE(fault) << fault.error().message;
        fault_ = *fault;
    }
    Fault fault_;
};

TEST_P(LabFault, its_folder_is_sound) {
    const std::string heal = fault_.folder + "/heal";
    EXPECT_EQ(::access(heal.c_str(), X_OK), 0) << heal << " is missing or cannot be executed";
    const Result<std::string> inject = read_file(fault_.folder + "/inject");
    ASSERT_TRUE(inject);
    EXPECT_THAT(*inject, testing::HasSubstr("lib.bash")) << "what it makes would not be removed";
    if (fault_.quick) {
        EXPECT_TRUE(fs::exists(recording_of(fault_.name))) << "the short list is answered right";
    }
}

// Whoever reads a finding can ask its evidence again, and knows how to see whether it is over.
void expect_whole(const explain::Finding& finding, agent::Replay& replay) {
    EXPECT_NE(finding.impact, "") << finding.what;
    EXPECT_THAT(finding.check, Contains(testing::StartsWith("waggle why "))) << finding.what;
    EXPECT_THAT(finding.evidence, Not(IsEmpty())) << finding.what;
    for (const explain::Evidence& evidence : finding.evidence) {
        const auto again = replay.store().sql().query(evidence.query);
        ASSERT_TRUE(again) << again.error().message << "\n" << evidence.query;
        // A finding holds the first of many.
        EXPECT_GE(again->rows.size(), evidence.rows.rows.size()) << evidence.query;
        EXPECT_FALSE(evidence.rows.rows.empty()) << finding.what << "\n" << evidence.query;
    }
}

class LabRecording : public LabFault {};

TEST_P(LabRecording, is_answered_right) {
    const auto replay = replay_of(fault_.name);
    ASSERT_TRUE(replay);
    EXPECT_EQ(replay->problem(), "");
    EXPECT_EQ(replay->topic(), fault_.question);
    const Result<Injected> injected = injected_from(replay->note(injected_note));
    ASSERT_TRUE(injected) << injected.error().message;
    const explain::Answer answer = replay->answer(fault_.question);
    const std::string text = sinks::render_answer(answer, {});
    const Result<Verdict> verdict = judge(fault_, *injected, sinks::answer_json(answer), text);
    ASSERT_TRUE(verdict) << verdict.error().message;
    EXPECT_THAT(verdict->missing, IsEmpty());
    EXPECT_THAT(verdict->falsehoods, IsEmpty());
    EXPECT_TRUE(verdict->right(fault_.claim))
        << "cause " << verdict->cause << ", object " << verdict->object << "\n"
        << text;
    for (const explain::Finding& finding : answer.findings) expect_whole(finding, *replay);
    for (const Pattern& pattern : patterns_of(fault_)) {
        const auto known = first_match(pattern, injected->values, "");
        EXPECT_TRUE(known) << known.error().message;
    }
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '/', '_');
    return name;
}
INSTANTIATE_TEST_SUITE_P(Lab, LabFault, testing::ValuesIn(fault_names()), test_name);

// The faults whose answer is right today. Under the sanitizers a replay takes more than a second: there it is one of each rule, another
// each day; at night all (WAGGLE_EVERY_RECORDING).
std::vector<std::string> recorded_names() {
    std::vector<std::string> all;
    for (const std::string& name : fault_names())
        if (fs::exists(recording_of(name))) all.push_back(name);
#ifdef WAGGLE_SANITIZED
    if (std::getenv("WAGGLE_EVERY_RECORDING")) return all;
    std::map<std::vector<std::string>, std::vector<std::string>> by_rules;
    for (const std::string& name : all)
        if (const Result<Fault> fault = read_fault(lab_folder, name))
            by_rules[fault->expected.rules].push_back(name);
    const auto day = static_cast<std::size_t>(std::time(nullptr) / (24 * 60 * 60));
    all.clear();
    for (const auto& [rules, names] : by_rules) all.push_back(names[day % names.size()]);
#endif
    return all;
}
INSTANTIATE_TEST_SUITE_P(Lab, LabRecording, testing::ValuesIn(recorded_names()), test_name);

TEST(LabRecordings, most_faults_have_one) {
    std::size_t recorded = 0;
    for (const std::string& name : fault_names()) recorded += fs::exists(recording_of(name));
    EXPECT_GE(recorded * 4, fault_names().size() * 3);
}

TEST(LabRecordings, each_rule_and_question_of_a_fault_is_there) {
    for (const std::string& name : fault_names()) {
        if (!fs::exists(recording_of(name))) continue;
        const auto replay = replay_of(name);
        ASSERT_TRUE(replay);
        std::set<std::string> rules{"none"}, topics{""};
        for (const explain::RuleBook::Entry& entry : replay->rules().entries()) {
            rules.insert(entry.id);
            topics.insert(entry.topic);
        }
        for (const std::string& each : fault_names()) {
            const Result<Fault> fault = read_fault(lab_folder, each);
            ASSERT_TRUE(fault) << fault.error().message;
            EXPECT_THAT(topics, Contains(fault->question)) << each;
            for (const std::string& rule : fault->expected.rules) EXPECT_THAT(rules, Contains(rule)) << each;
        }
        return;
    }
    FAIL() << "there is no recording";
}

}  // namespace
}  // namespace waggle::lab
