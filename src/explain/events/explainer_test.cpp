// SPDX-License-Identifier: Apache-2.0
#include "waggle/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "explain/events/event_words.h"
#include "explain/events/figure_limits.h"
#include "explain/knowledge_files.h"

namespace waggle {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ExplainerTest : public ::testing::Test {
  protected:
    Explainer explainer = std::move(*Explainer::open());

    std::string said(const NamedRow& row) {
        const Result<std::string> text = explainer.say(row);
        return text ? *text : "error: " + text.error().message;
    }
};

NamedRow exit_row(std::vector<std::pair<std::string, RowValue>> more) {
    NamedRow row{"process_exit", {{"comm", "nginx"}, {"pid", 812}, {"exit_code", 0}, {"signal", 0}}};
    for (auto& [column, value] : more) {
        std::erase_if(row.columns, [&](const auto& each) { return each.first == column; });
        row.columns.emplace_back(column, value);
    }
    return row;
}

TEST_F(ExplainerTest, says_how_a_process_ended_and_never_more_than_the_row_holds) {
    EXPECT_EQ(said(exit_row({})), "nginx (pid 812) ended with success.");
    EXPECT_EQ(said(exit_row({{"exit_code", 3}, {"ran_ns", 2'000'000}})),
              "nginx (pid 812) ended with exit code 3 after 2 ms.");
    EXPECT_EQ(said(exit_row({{"signal", "SIGSEGV"}})), "nginx (pid 812) was killed by SIGSEGV.");
    EXPECT_EQ(said(exit_row({{"signal", "SIGSEGV"}, {"signal_from", "fault"}})),
              "nginx (pid 812) was killed by SIGSEGV: it used memory in a way that is not allowed.");
    // The same signal, sent: then it is no fault of its memory.
    EXPECT_EQ(
        said(exit_row(
            {{"signal", "SIGSEGV"}, {"signal_from", "process"}, {"sender_pid", 7}, {"sender_comm", "kill"}})),
        "nginx (pid 812) was killed by SIGSEGV, which kill (pid 7) sent.");
    EXPECT_EQ(
        said(exit_row(
            {{"signal", "SIGKILL"}, {"signal_from", "process"}, {"sender_pid", 0}, {"sender_comm", ""}})),
        "nginx (pid 812) was killed by SIGKILL, which another process sent.");
    EXPECT_THAT(said(exit_row({{"signal", "SIGKILL"}, {"oom_killed", true}, {"peak_rss_bytes", 4096}})),
                StartsWith("The kernel killed nginx (pid 812) because memory ran out; it had held 4 KiB"));
    EXPECT_THAT(said(exit_row({{"signal", "SIGKILL"}, {"oom_killed", false}})), Not(HasSubstr("memory")));
}

TEST_F(ExplainerTest, gives_a_number_of_ones_own_its_name) {
    EXPECT_EQ(said(exit_row({{"signal", 11}})), "nginx (pid 812) was killed by SIGSEGV.");
    const NamedRow failed{"block_io",
                          {{"device", "vda"},
                           {"operation", "READ"},
                           {"bytes", 4096},
                           {"pid", 0},
                           {"error", -5},
                           {"device_ns", 1'000'000},
                           {"queue_ns", 0}}};
    EXPECT_EQ(said(failed),
              "A request to the disk vda (READ, 4 KiB) failed after 1 ms: EIO, input/output error.");
}

TEST_F(ExplainerTest, lets_no_name_from_outside_act_on_a_terminal) {
    EXPECT_EQ(said(exit_row({{"comm", "a\x1b[31m\nb"}})), "a\\x1b[31m\\x0ab (pid 812) ended with success.");
    const auto whole = explainer.explain_event(exit_row({{"unit", "a\x1b.service"}, {"comm", "x\x07"}}));
    ASSERT_TRUE(whole);
    for (const auto& part : {whole->because, whole->evidence, whole->impact, whole->try_, whole->check})
        for (const std::string& text : part) EXPECT_THAT(text, Not(HasSubstr("\x1b"))) << text;
}

TEST_F(ExplainerTest, says_a_row_of_which_little_is_known_as_its_columns) {
    EXPECT_EQ(said({"process_exec", {{"comm", "sh"}}}), "A row of process_exec: comm sh.");
    EXPECT_THAT(said({"process_exits", {}}), HasSubstr("did you mean process_exit"));
}

TEST_F(ExplainerTest, tells_general_causes_as_general_ones) {
    const auto whole = explainer.explain_event(exit_row({{"signal", "SIGSEGV"}, {"unit", "nginx.service"}}));
    ASSERT_TRUE(whole);
    ASSERT_FALSE(whole->because.empty());
    for (const std::string& cause : whole->because) EXPECT_THAT(cause, StartsWith("SIGSEGV, in general: "));
    EXPECT_THAT(whole->impact, Contains("The process's systemd unit is nginx.service."));
    EXPECT_THAT(whole->evidence, Contains(StartsWith("signal SIGSEGV: ")));
    for (const std::string& command : whole->try_) EXPECT_THAT(command, Not(HasSubstr("UNIT")));
}

TEST_F(ExplainerTest, leaves_general_causes_out_where_the_row_knows_its_own) {
    const auto sent = explainer.explain_event(exit_row(
        {{"signal", "SIGKILL"}, {"signal_from", "process"}, {"sender_pid", 9}, {"sender_comm", "kill"}}));
    ASSERT_TRUE(sent);
    EXPECT_TRUE(sent->because.empty());
    const auto unseen =
        explainer.explain_event(exit_row({{"signal", "SIGKILL"}, {"signal_from", "unknown"}}));
    ASSERT_TRUE(unseen);
    EXPECT_THAT(unseen->because, Contains(StartsWith("SIGKILL, in general: ")));
    for (const auto& [outcome, general] : {std::pair{"delivered", true}, {"too_late", false}}) {
        const auto signal = explainer.explain_event({"process_signal",
                                                     {{"pid", 9},
                                                      {"comm", "kill"},
                                                      {"signal", "SIGTERM"},
                                                      {"target_pid", 812},
                                                      {"target_comm", "nginx"},
                                                      {"outcome", outcome}}});
        ASSERT_TRUE(signal);
        const bool told = std::ranges::any_of(signal->impact, [](const std::string& text) {
            return text.starts_with("SIGTERM, in general: ");
        });
        EXPECT_EQ(told, general) << outcome;
    }
    const auto failed = explainer.explain_event({"process_exec_failure",
                                                 {{"pid", 9},
                                                  {"comm", "sh"},
                                                  {"path", "./run"},
                                                  {"error", "ENOENT"},
                                                  {"reason", "no_interpreter"},
                                                  {"obstacle", "/no/such"}}});
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->what,
              "sh (pid 9) could not become ./run (ENOENT): its first line names /no/such to run it, which "
              "does not exist.");
    EXPECT_TRUE(failed->because.empty());
    for (const auto& [kind, told] : {std::pair{"directory", true}, {"ours", false}}) {
        const auto jailed = explainer.explain_event({"process_exec_failure",
                                                     {{"pid", 9},
                                                      {"comm", "sh"},
                                                      {"path", "/bin/date"},
                                                      {"error", "ENOENT"},
                                                      {"reason", "no_file"},
                                                      {"obstacle", "/bin/date"},
                                                      {"root_kind", kind},
                                                      {"root_path", told ? "/srv/jail" : ""}}});
        ASSERT_TRUE(jailed);
        const std::string root = "Its root directory was /srv/jail (chroot), where its paths begin.";
        EXPECT_EQ(std::ranges::find(jailed->impact, root) != jailed->impact.end(), told) << kind;
    }
}

TEST_F(ExplainerTest, counts_rows_that_are_alike_only_where_there_are_rows) {
    const NamedRow one = exit_row({{"signal", "SIGSEGV"}, {"time_ns", 1'000'000'000}});
    const NamedRow again = exit_row({{"signal", "SIGSEGV"}, {"time_ns", 3'000'000'000}, {"pid", 813}});
    const NamedRow other = exit_row({{"comm", "cron"}, {"time_ns", 4'000'000'000}});
    const NamedRow rows[] = {one, again, other, {"process_fork", {{"comm", "nginx"}, {"pid", 9}}}};
    const auto alone = explainer.explain_event(one);
    ASSERT_TRUE(alone);
    for (const std::string& text : alone->impact) EXPECT_THAT(text, Not(HasSubstr("rows")));
    const auto among = explainer.explain_event(one, rows);
    ASSERT_TRUE(among);
    EXPECT_THAT(
        among->impact,
        Contains("2 of the 3 rows given are like it (same comm, exit_code, signal), all within 2 s."));
    EXPECT_TRUE(explainer.alike(one, again));
    EXPECT_FALSE(explainer.alike(one, other));
}

TEST_F(ExplainerTest, says_figures_alone_where_no_rule_states_a_limit) {
    const auto figures =
        explainer.explain_performance({"", {{"busy_percent", 97.0}, {"mean_wait_ns", 3'000'000}}});
    ASSERT_TRUE(figures);
    EXPECT_EQ(figures->what, "The figures: busy_percent 97 %, mean_wait_ns 3 ms.");
    EXPECT_THAT(figures->because,
                Contains("No rule states a limit for these figures, so none of them is called high."));
    EXPECT_FALSE(explainer.explain_performance({"", {}}));
}

TEST(ExplainerOfOnesOwn, calls_a_figure_high_only_from_a_stated_limit_on) {
    Explainer::Options options;
    options.files = {
        {"mine/events.en.yaml", "mine_top: {what: \"The disk is busy {busy_percent}.\"}"},
        {"mine/events.yaml", "mine_top: {against: {busy_percent: mine_busy.least, wait_ns: mine_busy.gone}}"},
        {"mine/rules/mine_busy.yaml",
         "rule: mine_busy\nlimits: {least: {value: 60%, means: \"Below it nobody waits.\"}}\n"}};
    const auto own = Explainer::open(options);
    ASSERT_TRUE(own) << own.error().message;
    const auto high = own->explain_performance({"mine_top", {{"busy_percent", 60.0}, {"wait_ns", 1}}});
    ASSERT_TRUE(high);
    EXPECT_EQ(high->what, "The disk is busy 60 %.");
    EXPECT_THAT(
        high->because,
        ::testing::ElementsAre("busy_percent is 60 %, which is high: the limit least of the rule mine_busy "
                               "is 60 %. Below it nobody waits."));
    const auto low = own->explain_performance({"mine_top", {{"busy_percent", 59.4}}});
    ASSERT_TRUE(low);
    EXPECT_THAT(
        low->because,
        ::testing::ElementsAre("busy_percent is 59 %: below 60 %, the limit least of the rule mine_busy."));
    EXPECT_THAT(own->problems(), ::testing::ElementsAre(HasSubstr("mine_busy.gone, which no rule states")));
}

TEST_F(ExplainerTest, says_of_a_queue_that_counts_nothing_no_count_and_of_no_time_that_it_is_short) {
    EXPECT_EQ(said({"qdiscs",
                    {{"interface", "lo"},
                     {"kind", "noqueue"},
                     {"handle", "0:"},
                     {"packets", 0},
                     {"drops", 0},
                     {"backlog_packets", 0}}}),
              "lo sends without a queue (noqueue), so nothing is counted here.");
    EXPECT_EQ(
        said({"processes",
              {{"comm", "kswapd0"},
               {"pid", 70},
               {"parent_pid", 2},
               {"kernel_thread", 1},
               {"state", "S"},
               {"threads", 1},
               {"rss_bytes", 0},
               {"cpu_ns", 0}}}),
        "The kernel's thread kswapd0 (pid 70), started by process 2: state S, 1 thread, less than 10 ms of "
        "processor time.");
    EXPECT_EQ(said({"routes",
                    {{"destination", "default"},
                     {"kind", "blackhole"},
                     {"route_table", 254},
                     {"protocol", "boot"}}}),
              "Packets to all other destinations are thrown away in silence by a route of table 254 (main), "
              "made by boot.");
    EXPECT_EQ(said({"sysctls", {{"netns", 7}, {"name", "net.core.somaxconn"}, {"value", "128"}}}),
              "The setting net.core.somaxconn is 128 in network namespace 7.");
    EXPECT_EQ(said({"sysctls", {{"netns", 0}, {"name", "vm.swappiness"}, {"value", "60"}}}),
              "The setting vm.swappiness is 60.");
}

TEST_F(ExplainerTest, has_no_problems) { EXPECT_THAT(explainer.problems(), ::testing::IsEmpty()); }

constexpr std::string_view rule = R"(rule: disk_busy
topic: disk
limits:
  least: {value: 60%, means: "Below it nobody waits."}
  wait:  {value: 20ms, means: "A disk answers sooner."}
)";

TEST(StatedLimits, are_read_from_the_rules_and_changed_by_the_user) {
    const EmbeddedFile files[] = {{"sensors/x/rules/disk_busy.yaml", rule},
                                  {"sensors/x/rules/disk_busy.test.yaml", "- case: none"},
                                  {"sensors/x/events.yaml", "x: {alike: [a]}"}};
    const auto limits = explain::stated_limits(files, "");
    ASSERT_TRUE(limits) << limits.error().message;
    ASSERT_EQ(limits->size(), 2u);
    EXPECT_EQ((*limits)[0].value.number(), 60);
    EXPECT_EQ((*limits)[1].value.integer, 20'000'000);

    const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "limits_of_figures";
    std::filesystem::create_directories(folder / "limits.d");
    std::ofstream(folder / "limits.d" / "mine.yaml") << "disk_busy: {least: 80%, wait: 3}\n";
    const auto changed = explain::stated_limits(files, folder.string());
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ((*changed)[0].value.number(), 80);
    EXPECT_EQ((*changed)[1].value.integer, 20'000'000) << "of another unit: not taken";
    std::filesystem::remove_all(folder);
}

std::string fault_of(std::string_view path, std::string_view text) {
    const std::string_view kinds[] = {"errno"};
    const EmbeddedFile files[] = {{path, text}};
    const auto read = explain::read_event_files(files, kinds);
    return read ? "fine" : read.error().message;
}

TEST(EventFiles, are_refused_with_the_place_of_the_fault) {
    EXPECT_EQ(fault_of("x/events.en.yaml", "t: {what: \"{a} did {b}.\"}"), "fine");
    EXPECT_THAT(fault_of("x/events.en.yaml", "t: {because: [\"{a}\"]}"), StartsWith("x/events.en.yaml:1:"));
    EXPECT_THAT(fault_of("x/events.en.yaml", "t: {what: \"{a, select, 1 {x} 1 {y}}\"}"),
                HasSubstr("has 1 twice"));
    EXPECT_THAT(fault_of("x/events.en.yaml", "t: {what: \"{a:short(signal)}\"}"),
                HasSubstr("no kind signal"));
    EXPECT_THAT(fault_of("x/events.yaml", "t: {values: {a: color}}"), HasSubstr("no kind color"));
    EXPECT_THAT(fault_of("x/events.yaml", "t: {against: {a: b}}"), HasSubstr("rule's limit"));
    EXPECT_EQ(fault_of("x/words.en.yaml", "- this is of the rules"), "fine");
}

}  // namespace
}  // namespace waggle
