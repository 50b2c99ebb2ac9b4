// SPDX-License-Identifier: Apache-2.0
// What a user puts into /etc/waggle: one broken file disables itself and is named, the rest go on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/rule_workshop.h"
#include "explain/rules/rule.h"

namespace waggle::agent {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class UserRules : public ::testing::Test {
  protected:
    UserRules() { std::filesystem::create_directories(folder_); }
    ~UserRules() override { std::filesystem::remove_all(folder_); }
    void write(const std::string& path, std::string_view text) {
        const std::filesystem::path file = folder_ / path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
    }
    static std::string rule(const std::string& name, const std::string& when) {
        return "rule: " + name + "\ntopic: process\nseverity: note\nconfidence: low\nwhen: " + when +
               "\nobject: {kind: process, name: pid}\nevidence: {}\nwords: {what: \"{pid}.\", because: "
               "[\".\"], "
               "impact: \".\", try: [{say: \".\"}], check: [{say: \".\"}]}\n";
    }
    static bool has(const explain::RuleBook& book, std::string_view rule) {
        return std::ranges::find(book.entries(), rule, &explain::RuleBook::Entry::id) != book.entries().end();
    }
    const std::filesystem::path folder_ =
        ::testing::TempDir() + "waggle_user_rules_" + std::to_string(getpid());
};

TEST_F(UserRules, a_broken_file_disables_itself_and_is_named_and_the_rest_go_on) {
    const auto builds = RuleWorkshop::open();
    ASSERT_TRUE(builds) << builds.error().message;
    const std::size_t of_build = (*builds)->book().entries().size();
    write("rules.d/a_good.yaml", rule("my_first", "SELECT pid FROM process_exit WHERE 0"));
    write("rules.d/b_no_yaml.yaml", "rule: [unclosed\n  - {\n");
    write("rules.d/c_no_text.yaml", std::string("rule: x\0y\xff\xfe", 11));
    write("rules.d/d_no_table.yaml", rule("my_second", "SELECT pid FROM process_exitt"));
    write("rules.d/e_good.yaml", rule("my_third", "SELECT pid FROM process_exit WHERE 0"));
    write("rules.d/f_empty.yaml", "");
    write("views.d/broken.yaml", "- view: mine\n  means: x\n  query: SELECT nothing FROM nowhere\n");
    write("limits.d/broken.yaml", "process_crashed: {no_such_limit: 3}\n");
    write("lists.d/broken.yaml", "]");
    write("words.d/broken.en.yaml", "process_crashed: {what: \"{no_such_column}\"}\n");
    const auto users = RuleWorkshop::open(folder_.string());
    ASSERT_TRUE(users) << users.error().message;
    const explain::RuleBook& book = (*users)->book();
    EXPECT_EQ(book.entries().size(), of_build + 2);
    EXPECT_TRUE(has(book, "my_first") && has(book, "my_third"));
    EXPECT_FALSE(has(book, "my_second"));
    for (const char* file :
         {"rules.d/b_no_yaml.yaml", "rules.d/c_no_text.yaml", "rules.d/d_no_table.yaml",
          "views.d/broken.yaml", "limits.d/broken.yaml", "lists.d/broken.yaml", "words.d/broken.en.yaml"})
        EXPECT_THAT(book.problems(), Contains(HasSubstr((folder_ / file).string() + ":")));
    for (const char* file : {"a_good", "e_good", "f_empty"})
        for (const std::string& problem : book.problems())
            EXPECT_EQ(problem.find(file), std::string::npos) << problem;
}

// process_crashed reads process_restart_loop, which comes later in the order of the files.
TEST_F(UserRules, a_rule_of_this_build_that_reads_another_can_be_replaced) {
    write("rules.d/mine.yaml",
          "replaces: yes\n" + rule("process_crashed", "SELECT pid FROM process_exit WHERE 0"));
    const auto users = RuleWorkshop::open(folder_.string());
    ASSERT_TRUE(users) << users.error().message;
    EXPECT_THAT((*users)->book().problems(), ::testing::IsEmpty());
    const auto rules = (*users)->book().rules();
    const auto mine = std::ranges::find_if(
        rules, [](const explain::Rule& rule) { return rule.entry.id == "process_crashed"; });
    ASSERT_NE(mine, rules.end());
    EXPECT_TRUE(mine->users);
}

}  // namespace
}  // namespace waggle::agent
