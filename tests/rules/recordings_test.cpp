// SPDX-License-Identifier: Apache-2.0
// Every rule against the recordings it names: tests/recordings/NAME.waggle.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "agent/replay.h"
#include "places.h"

namespace waggle::agent {
namespace {

const std::filesystem::path folder = WAGGLE_SOURCE_DIR "/tests/recordings";

// What a recording's answer found, as rule ids.
std::set<std::string> found_in(const std::string& name, const std::unique_ptr<Replay>& replay) {
    EXPECT_EQ(replay->problem(), "") << name;
    const explain::Answer answer = replay->answer("");
    for (const std::string& problem : answer.problems)
        EXPECT_EQ(problem.find("rule"), std::string::npos) << problem;
    std::set<std::string> rules;
    for (const explain::Finding& finding : answer.findings) rules.insert(finding.rule);
    return rules;
}

bool names(const std::vector<std::string>& list, const std::string& name) {
    return std::find(list.begin(), list.end(), name) != list.end();
}

TEST(RuleRecordings, each_rule_fires_where_it_says_and_is_silent_where_it_says) {
    std::set<std::string> named;
    std::size_t checked = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        if (file.path().extension() != ".waggle") continue;
        const std::string name = file.path().stem();
        const auto replay = Replay::open(file.path());
        ASSERT_TRUE(replay) << name << ": " << replay.error().message;
        const std::set<std::string> found = found_in(name, *replay);
        for (const explain::RuleBook::Entry& rule : (*replay)->rules().entries()) {
            for (const auto* list : {&rule.fires_on, &rule.silent_on})
                named.insert(list->begin(), list->end());
            const bool fires = names(rule.fires_on, name);
            if (!fires && !names(rule.silent_on, name)) continue;
            ++checked;
            EXPECT_EQ(found.contains(rule.id), fires) << rule.id << " on " << name;
        }
    }
    EXPECT_GT(checked, 0u);
    for (const std::string& name : named)
        EXPECT_TRUE(std::filesystem::exists(folder / (name + ".waggle"))) << "no recording named " << name;
}

// Recordings of an earlier release, from before columns, tables and rules were added that today's questions name: each
// is read whole, and no rule fails for what it lacks.
TEST(RuleRecordings, those_of_an_earlier_release_replay) {
    std::size_t old = 0, lack_columns = 0;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        const std::string name = file.path().stem();
        if (!name.starts_with("old_")) continue;
        ++old;
        const auto replay = Replay::open(file.path());
        ASSERT_TRUE(replay) << name << ": " << replay.error().message;
        EXPECT_EQ((*replay)->problem(), "") << name;
        for (const std::string& problem : (*replay)->answer("").problems)
            EXPECT_EQ(problem.find("ule "), std::string::npos) << name << ": " << problem;
        for (const Table* table : (*replay)->store().tables())
            lack_columns += std::ranges::any_of(table->schema().fields, [](const Field& field) {
                return (field.traits & trait_absent) != 0;
            });
    }
    EXPECT_GE(old, 10u);
    EXPECT_GT(lack_columns, 0u) << "schemas have grown since, or this proves nothing";
}

// Nothing at all is wrong in them, whatever rules there are.
TEST(RuleRecordings, healthy_machines_get_no_finding) {
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
        const std::string name = file.path().stem();
        if (name.find("healthy_") == std::string::npos) continue;
        const auto replay = Replay::open(file.path());
        ASSERT_TRUE(replay) << name << ": " << replay.error().message;
        EXPECT_TRUE(found_in(name, *replay).empty()) << name;
    }
}

}  // namespace
}  // namespace waggle::agent
