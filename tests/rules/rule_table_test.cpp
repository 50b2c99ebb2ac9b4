// SPDX-License-Identifier: Apache-2.0
// Table tests of the rules of all rooms and of the room that others are copied from; a room in another language,
// and as a user changes it; and the pages that are made of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "agent/replay.h"
#include "agent/rule_workshop.h"
#include "base/text.h"
#include "places.h"
#include "sensors/skeleton/skeleton.h"
#include "store/socket_functions.h"

namespace waggle::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::filesystem::path source = WAGGLE_SOURCE_DIR;

// The files of rules below some folders, as rooms have them; words of single rows are no rules.
class Folder {
  public:
    explicit Folder(const std::filesystem::path& folder) : Folder({folder}) {}
    Folder(std::initializer_list<std::filesystem::path> folders) {
        std::vector<std::string> paths;
        for (const std::filesystem::path& folder : folders)
            for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
                if (entry.path().extension() == ".yaml" &&
                    !entry.path().filename().string().starts_with("events"))
                    paths.push_back(entry.path());
        std::sort(paths.begin(), paths.end());
        for (const std::string& path : paths) {
            Result<std::string> text = read_file(path);
            EXPECT_TRUE(text) << path;
            owned_.push_back({std::filesystem::relative(path, source), *text});
        }
        for (const explain::OwnedRuleFile& file : owned_) files.push_back({file.path, file.text, false});
    }
    std::vector<explain::RuleFile> files;

  private:
    std::vector<explain::OwnedRuleFile> owned_;
};

// What is wrong with a folder's rules, and how many of its tests hold.
std::vector<std::string> complaints_about(const Folder& folder, std::vector<explain::GivenTable> tables,
                                          std::size_t least_cases) {
    SocketFunctions functions;
    const auto tester = explain::RuleTester::create(tables, folder.files,
                                                    [&](explain::Sql& sql) { return functions.add_to(sql); });
    if (!tester) return {tester.error().message};
    const std::vector<explain::RuleTestReport> reports = (*tester)->run();
    std::size_t cases = 0;
    for (const explain::RuleTestReport& report : reports) cases += report.cases.size();
    EXPECT_GE(cases, least_cases);
    return explain::complaints_of((*tester)->book(), folder.files, reports);
}

TEST(RuleTables, every_rule_of_every_room_holds_in_milliseconds) {
    const auto workshop = RuleWorkshop::open();
    ASSERT_TRUE(workshop) << workshop.error().message;
    EXPECT_THAT((*workshop)->complaints(), IsEmpty());
    EXPECT_FALSE((*workshop)->book().entries().empty());
}

TEST(RuleTables, the_pages_of_the_rules_are_those_in_docs) {
    const auto workshop = RuleWorkshop::open();
    ASSERT_TRUE(workshop) << workshop.error().message;
    std::set<std::string> names;
    for (const explain::RulePage& page : (*workshop)->pages()) {
        names.insert(page.name);
        const Result<std::string> there = read_file(source / "docs" / "rules" / page.name);
        ASSERT_TRUE(there) << there.error().message << "; run: waggle doc rules --write docs/rules";
        EXPECT_EQ(*there, page.text) << page.name << "; run: waggle doc rules --write docs/rules";
    }
    for (const auto& entry : std::filesystem::directory_iterator(source / "docs" / "rules"))
        EXPECT_TRUE(names.contains(entry.path().filename())) << entry.path() << " belongs to no rule";
}

TEST(RuleTables, the_room_that_others_are_copied_from_is_sound) {
    std::vector<explain::GivenTable> tables = all_tables();
    for (const Schema* schema : sensors::skeleton_source.schemas)
        tables.push_back(explain::given_table_of(*schema));
    EXPECT_THAT(complaints_about(Folder(source / "sensors" / "skeleton"), std::move(tables), 3), IsEmpty());
}

// A recording, and what the rules of some files find in it.
class Recorded {
  public:
    explicit Recorded(const std::string& name) {
        auto replay = Replay::open(source / "tests" / "recordings" / (name + ".waggle"));
        EXPECT_TRUE(replay) << name << ": " << replay.error().message;
        if (replay) replay_ = std::move(*replay);
    }
    explain::Answer ask(std::span<const explain::RuleFile> files, std::string_view language = "en") {
        explain::Sql& sql = replay_->store().sql();
        explain::RuleBook book = explain::RuleBook::load(files, sql, language);
        explain::Answer answer;
        answer.window = replay_->window();
        replay_->store().begin_moment(answer.window, 0);
        book.ask(sql, "", answer);
        EXPECT_THAT(answer.problems, IsEmpty());
        return answer;
    }

  private:
    std::unique_ptr<Replay> replay_;
};

const std::filesystem::path process_room = source / "sensors" / "process";

TEST(RuleTables, a_room_speaks_another_language_once_all_its_words_are_there) {
    const Folder folder({process_room, source / "tests" / "rules" / "fixture" / "language"});
    EXPECT_THAT(complaints_about(folder, all_tables(), 50), IsEmpty());
    for (const char* name : {"old_process_restart_loop_exit", "old_process_restart_loop_signal"}) {
        Recorded recorded(name);
        const explain::Answer answer = recorded.ask(folder.files);
        const explain::Answer in_other = recorded.ask(folder.files, "xx");
        ASSERT_EQ(answer.findings.size(), 1u) << name;
        ASSERT_EQ(in_other.findings.size(), 1u) << name;
        EXPECT_EQ(in_other.findings[0].id, answer.findings[0].id);
        EXPECT_EQ(in_other.findings[0].evidence.size(), answer.findings[0].evidence.size());
        EXPECT_TRUE(in_other.findings[0].what.starts_with("xx ")) << in_other.findings[0].what;
        EXPECT_TRUE(in_other.findings[0].what.ends_with(" fojoj.")) << in_other.findings[0].what;
    }
}

// One rule reads what another finds: with a limit that the user raised, runs that are no loop any more are
// crashes, each told once.
TEST(RuleTables, what_a_users_limit_takes_from_one_rule_another_tells) {
    Folder folder(process_room);
    Recorded recorded("old_process_restart_loop_signal");
    explain::Answer answer = recorded.ask(folder.files);
    ASSERT_EQ(answer.findings.size(), 1u);
    EXPECT_EQ(answer.findings[0].rule, "process_restart_loop");
    folder.files.push_back(
        {"/etc/waggle/limits.d/mine.yaml", "process_restart_loop: {least_runs: 6}\n", true});
    answer = recorded.ask(folder.files);
    ASSERT_EQ(answer.findings.size(), 1u);
    EXPECT_EQ(answer.findings[0].rule, "process_crashed");
    EXPECT_EQ(answer.findings[0].what, "/opt/shop/worker crashed 4 times: SIGSEGV.");
}

TEST(RuleTables, a_program_that_the_user_lists_answers_by_failing) {
    Folder folder(process_room);
    Recorded recorded("old_process_restart_loop_exit");
    EXPECT_EQ(recorded.ask(folder.files).findings.size(), 1u);
    folder.files.push_back({"/etc/waggle/lists.d/mine.yaml", "answers_by_failing: [worker]\n", true});
    EXPECT_THAT(recorded.ask(folder.files).findings, IsEmpty());
}

// The user's files are read from their folder, and a broken one of them is named.
TEST(RuleTables, files_of_the_users_folder_are_read_and_checked) {
    const std::filesystem::path folder =
        std::filesystem::path(testing::TempDir()) / ("waggle-user-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder / "rules.d");
    std::filesystem::create_directories(folder / "lists.d");
    std::ofstream(folder / "lists.d" / "mine.yaml") << "my_programs: {means: \"Mine.\", words: [worker]}\n";
    std::ofstream(folder / "rules.d" / "mine.yaml") << R"(rule: my_worker_exits
topic: mine
severity: note
confidence: high
when: SELECT pid, comm, exit_code FROM process_exit WHERE in_list('my_programs', comm)
object: {kind: process, name: comm}
evidence: {exits: {view: process_exit, where: [comm]}}
words:
  what: "{comm} (pid {pid}) ended with {exit_code}."
  because: ["It ended."]
  evidence: {exits: "Its ends."}
  impact: "It is gone."
  try: [{say: "Start it again."}]
  check: [{do: waggle why mine}]
)";
    std::ofstream(folder / "rules.d" / "mine.test.yaml") << R"(- case: mine
  process_exit: "pid 7, comm worker, exit_code 3"
  finds: {what: "worker (pid 7) ended with 3."}
- case: another's
  same_but: {comm: other}
  finds: nothing
)";
    const auto good = RuleWorkshop::open(folder);
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_THAT((*good)->complaints(), IsEmpty());
    std::ofstream(folder / "rules.d" / "bad.yaml") << "rule: bad\ntopc: mine\n";
    const auto bad = RuleWorkshop::open(folder);
    ASSERT_TRUE(bad) << bad.error().message;
    EXPECT_THAT((*bad)->complaints(), ElementsAre((folder / "rules.d" / "bad.yaml").string() +
                                                  ":2:1: a rule has no key topc; did you mean topic"));
    std::filesystem::remove_all(folder);
}

// What the manual shows is what a person copies.
TEST(RuleTables, the_first_rule_of_the_manual_is_sound) {
    const Result<std::string> manual = read_file(source / "docs" / "rules.md");
    ASSERT_TRUE(manual) << manual.error().message;
    const std::size_t begin = manual->find("```yaml\n") + 8;
    const std::string rule = manual->substr(begin, manual->find("```", begin) - begin);
    const std::string tests = R"(- case: it ends again and again
  process_exit: |
    time pid comm      exit_code ran
    1s   7   my-worker 127       1s
    2s   8   my-worker 127       1s
    3s   9   my-worker 127       1s
  finds:
    severity: warning
    what: "my-worker ended with code 127 3 times: a shell ends so when a program is not found, the loader of programs when a library is not."
    evidence: Its last ends.
- case: another program
  same_but: {comm: other}
  finds: nothing
)";
    const explain::RuleFile files[] = {{"/etc/waggle/rules.d/worker.yaml", rule, true},
                                       {"/etc/waggle/rules.d/worker.test.yaml", tests, true}};
    const std::vector<explain::GivenTable> tables = all_tables();
    const auto tester = explain::RuleTester::create(tables, files, {});
    ASSERT_TRUE(tester) << tester.error().message;
    EXPECT_THAT(explain::complaints_of((*tester)->book(), files, (*tester)->run()), IsEmpty());
}

}  // namespace
}  // namespace waggle::agent
