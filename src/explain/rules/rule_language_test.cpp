// SPDX-License-Identifier: Apache-2.0
// Views, lists, limits, rules and what the user changes of them.
#include <fmt/core.h>

#include <chrono>

#include "explain/testing/rules.h"
#include "query/window.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

using RuleLanguage = RuleRoom;

TEST_F(RuleLanguage, a_rule_over_a_view_with_limits_and_a_list_becomes_a_finding) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    append(drops, {.pid = 7, .comm = "slow", .count = 500, .reason = 2, .port = 53});
    append(drops, {.pid = 8, .comm = "few", .count = 9, .reason = 5, .port = 54});
    append(drops, {.pid = 9, .comm = "also", .count = 99, .reason = 93, .port = 55});
    append(sysctls, "net.core.rmem_max", 212992);
    const Answer answer = ask();
    EXPECT_THAT(answer.problems, IsEmpty());
    ASSERT_EQ(answer.findings.size(), 1u);
    const Finding& finding = answer.findings[0];
    EXPECT_EQ(finding.id, "slow_reader: port 53");
    EXPECT_EQ(finding.severity, Severity::warning);
    EXPECT_EQ(finding.confidence, Confidence::high);
    EXPECT_EQ(finding.what, "slow (pid 7) lost 40 packets, its limit is 208 KiB.");
    EXPECT_THAT(finding.subject, ElementsAre(Pair("pid", "7"), Pair("comm", "slow")));
    EXPECT_EQ(finding.object.value, "212992");
    ASSERT_EQ(finding.evidence.size(), 2u);
    EXPECT_EQ(finding.evidence[0].query,
              "SELECT comm, packets FROM loss WHERE pid IS 7 AND port IS 53 ORDER BY packets DESC");
    EXPECT_EQ(finding.evidence[0].rows.rows.size(), 1u);
}

TEST_F(RuleLanguage, a_condition_chooses_the_severity) {
    append(drops, {.pid = 7, .comm = "slow", .count = 5000, .reason = 5, .port = 53});
    EXPECT_EQ(ask().findings.at(0).severity, Severity::critical);
}

TEST_F(RuleLanguage, a_view_is_computed_once_a_moment) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    const RuleBook book = load();
    ASSERT_EQ(sql.query("SELECT packets FROM loss")->rows.at(0)[0].integer, 40);
    append(drops, {.pid = 7, .comm = "slow", .count = 2, .reason = 5, .port = 53});
    EXPECT_EQ(sql.query("SELECT packets FROM loss")->rows.at(0)[0].integer, 40);
    sql.forget_views();
    EXPECT_EQ(sql.query("SELECT packets FROM loss")->rows.at(0)[0].integer, 42);
}

TEST_F(RuleLanguage, a_view_joined_by_equality_gives_what_a_scan_gives) {
    for (int i = 0; i < 200; ++i)
        append(drops, {.pid = static_cast<std::uint32_t>(i % 20),
                       .comm = i % 3 ? "a" : "b",
                       .count = static_cast<std::uint64_t>(i),
                       .reason = 5,
                       .port = static_cast<std::uint16_t>(i % 7)});
    const RuleBook book = load();
    const auto joined = sql.query(
        "SELECT count(*), sum(a.packets) FROM loss a JOIN loss b ON a.pid = b.pid AND a.comm = b.comm");
    const auto scanned = sql.query(
        "SELECT count(*), sum(a.packets) FROM loss a JOIN loss b ON +a.pid = +b.pid AND +a.comm = +b.comm");
    ASSERT_TRUE(joined && scanned);
    EXPECT_EQ(joined->rows[0][0].integer, scanned->rows[0][0].integer);
    EXPECT_EQ(joined->rows[0][1].integer, scanned->rows[0][1].integer);
    EXPECT_GT(scanned->rows[0][0].integer, 100);
    // A number that is compared with a text that looks like it, as SQLite does with a real table.
    EXPECT_EQ(sql.query("SELECT count(*) FROM loss WHERE pid = 7.0")->rows[0][0].integer,
              sql.query("SELECT count(*) FROM loss WHERE +pid = 7")->rows[0][0].integer);
}

TEST_F(RuleLanguage, a_view_that_nothing_leads_to_is_not_computed) {
    files[views_file] += R"(- view: broken_when_read
  means: "Cannot be computed."
  query: SELECT pid, hist_percentile(comm, 0.5) AS middle FROM drops
)";
    append(drops, {.pid = 7, .comm = "a", .count = 40, .reason = 5, .port = 53});
    const RuleBook book = load();
    EXPECT_THAT(book.problems(), IsEmpty());
    const auto none = sql.query(
        "SELECT 1 FROM (SELECT pid FROM drops WHERE pid = 99) d LEFT JOIN broken_when_read b ON b.pid = "
        "d.pid");
    EXPECT_TRUE(none) << "nothing on the left, so the view is not read";
    const auto read = sql.query("SELECT * FROM broken_when_read");
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("view broken_when_read: "));
}

TEST_F(RuleLanguage, a_column_that_keeps_its_name_keeps_its_meaning) {
    const RuleBook book = load();
    ASSERT_EQ(book.views().size(), 1u);
    const auto& columns = book.views()[0].columns;
    ASSERT_EQ(columns.size(), 5u);
    EXPECT_EQ(columns[2].name, "port");
    EXPECT_EQ(columns[2].meaning, "Where to.");
    EXPECT_EQ(columns[3].meaning, "How many were lost.");
    EXPECT_EQ(columns[4].unit, Unit::bytes);
}

TEST_F(RuleLanguage, wrong_views_are_refused_with_their_place) {
    EXPECT_EQ(with(views_file, "view: loss", "view: drops").substr(0, 63),
              "room/views.yaml:1:9: view drops would hide the table drops\nroom");
    EXPECT_THAT(with(views_file, "sum(count)", "sum(cuont)"),
                HasSubstr("room/views.yaml:5:33: `query`: no such column: cuont; did you mean count"));
    EXPECT_THAT(with(views_file, "FROM drops\n", "FROM drosp\n"),
                HasSubstr("`query`: no such table: drosp; did you mean drops"));
    EXPECT_THAT(with(views_file, "packets: \"How", "pakets: \"How"),
                HasSubstr("room/views.yaml:3:13: the view gives no column pakets; did you mean packets"));
    EXPECT_THAT(with(views_file, "means:", "meens:"),
                HasSubstr("room/views.yaml:2:3: a view has no key meens; did you mean means"));
    EXPECT_THAT(with(views_file, "'routine'", "'routin'"),
                HasSubstr("room/views.yaml:6:24: no list is called routin; did you mean routine"));
    EXPECT_THAT(with(views_file, "in_list('routine', reason)", "in_list(comm, reason)"),
                HasSubstr("room/views.yaml:6:23: in_list takes the list's name as a text"));
    EXPECT_THAT(with(views_file, "GROUP BY pid", "AND pid > :least GROUP BY pid"),
                HasSubstr("a view has no parameters, and uses :least"));
}

TEST_F(RuleLanguage, what_reads_a_view_that_is_not_in_use_says_so) {
    EXPECT_EQ(with(views_file, "sum(count)", "sum(cuont)"),
              "room/views.yaml:5:33: `query`: no such column: cuont; did you mean count\n"
              "room/rules/slow_reader.yaml:9:43: `when`: view loss is not in use");
}

TEST_F(RuleLanguage, views_may_read_each_other_in_any_order_but_not_in_a_circle) {
    files["room/views.yaml"] = R"(- view: second
  means: "Reads the first."
  query: SELECT packets FROM first
- view: first
  means: "Reads a table."
  query: SELECT count AS packets FROM drops
)" + files["room/views.yaml"];
    EXPECT_EQ(problems(), "");
    files["room/views.yaml"].replace(files["room/views.yaml"].find("count AS packets FROM drops"), 27,
                                     "packets FROM second");
    EXPECT_EQ(problems(), "room/views.yaml:3:10: views go in a circle: second -> first -> second");
    files["room/views.yaml"] = "- view: own\n  means: \"Itself.\"\n  query: SELECT a FROM own\n";
    EXPECT_THAT(problems(), HasSubstr("room/views.yaml:3:10: views go in a circle: own -> own"));
}

TEST_F(RuleLanguage, entries_tell_the_tables_behind_the_views) {
    const RuleBook book = load();
    ASSERT_EQ(book.entries().size(), 1u);
    EXPECT_THAT(book.entries()[0].tables, ElementsAre("drops", "sysctls"));
    EXPECT_THAT(book.entries()[0].views, ElementsAre("loss"));
}

TEST_F(RuleLanguage, wrong_limits_are_refused) {
    EXPECT_EQ(with(rule_file, ">= :least", ">= :laest"),
              "room/rules/slow_reader.yaml:8:7: `when`: no limit is called laest; did you mean least");
    EXPECT_EQ(
        with(rule_file, "value: 10,", "value: 10 apples,"),
        "room/rules/slow_reader.yaml:6:18: 10 apples is no measure; write a number with its unit, as 3, "
        "60s, 64KiB, 40% or 10/s");
    EXPECT_EQ(
        with(rule_file, "value: 10,", "value: 10s,"),
        "room/rules/slow_reader.yaml:10:20: limit least is compared with packets, so it must be a plain "
        "number");
    EXPECT_EQ(with(rule_file, "least: {value: 10, means: \"A few are no finding.\"}", "least: 10"),
              "room/rules/slow_reader.yaml:6:10: a limit is written least: {value: 3, means: \"...\"}");
    EXPECT_EQ(with(rule_file, "means: \"A few are no finding.\"", "maens: x"),
              "room/rules/slow_reader.yaml:6:22: a limit has no key maens; did you mean means");
}

TEST_F(RuleLanguage, wrong_rules_are_refused_with_their_place) {
    EXPECT_EQ(
        with(rule_file, "critical: packets", "critcal: packets"),
        "room/rules/slow_reader.yaml:3:12: `severity` is note, warning or critical, not critcal; did you "
        "mean critical");
    EXPECT_EQ(with(rule_file, "critical: packets", "critical: pakets"),
              "room/rules/slow_reader.yaml:3:22: `severity`: no such column: pakets; did you mean packets");
    EXPECT_EQ(with(rule_file, ", else: warning", ""),
              "room/rules/slow_reader.yaml:3:12: `severity` ends with `else:` and the word for all others");
    EXPECT_EQ(
        with(rule_file, "value: limit_bytes", "value: limit_byte"),
        "room/rules/slow_reader.yaml:11:52: `value` is a column of `when`, or a text with {columns} in it; "
        "limit_byte is neither; did you mean limit_bytes");
    EXPECT_EQ(with(rule_file, "where: [pid, port]", "where: [pid, prot]"),
              "room/rules/slow_reader.yaml:14:35: loss has no column prot; did you mean port");
    EXPECT_EQ(with(rule_file, "view: loss", "view: lost"),
              "room/rules/slow_reader.yaml:14:16: `view`: no such table: lost; did you mean loss");
    EXPECT_EQ(with(rule_file, "severity:", "what: x\nseverity:"),
              "room/rules/slow_reader.yaml:3:1: a rule has no key what; did you mean when");
    EXPECT_EQ(with(rule_file, "topic: drops\n", ""),
              "room/rules/slow_reader.yaml:1:1: rule slow_reader lacks `topic`");
    EXPECT_EQ(with(rule_file, "topic: drops", "topic: drops\nevery: 3"),
              "room/rules/slow_reader.yaml:3:8: `every` is a duration, as 60s or 500ms");
}

TEST_F(RuleLanguage, the_user_sets_limits_and_extends_lists_without_a_rebuild) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    ASSERT_EQ(ask().findings.size(), 1u);
    files["/etc/waggle/limits.d/mine.yaml"] = "slow_reader: {least: 41}\n";
    EXPECT_EQ(problems(), "");
    EXPECT_THAT(ask().findings, IsEmpty());
    files["/etc/waggle/limits.d/mine.yaml"] = "slow_reader: {least: 40}\n";
    EXPECT_EQ(ask().findings.size(), 1u);
    files["/etc/waggle/lists.d/mine.yaml"] = "routine: [5]\n";
    EXPECT_THAT(ask().findings, IsEmpty());
    files["/etc/waggle/lists.d/mine.yaml"] = "routine: {add: [7], remove: [2]}\n";
    append(drops, {.pid = 7, .comm = "slow", .count = 2, .reason = 2, .port = 53});
    EXPECT_EQ(ask().findings.at(0).what, "slow (pid 7) lost 42 packets.");
}

TEST_F(RuleLanguage, parts_that_sentences_share_stand_once_and_the_users_take_their_place) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    std::string& words = files[words_file];
    words.replace(words.find("{comm} (pid {pid})"), 18, "{>who}");
    EXPECT_THAT(problems(), HasSubstr("`what`: no part of sentences is called who"));
    words = "parts:\n  who: [\"{comm} (pid {pid})\", somebody]\n" + words;
    EXPECT_EQ(problems(), "");
    EXPECT_EQ(ask().findings.at(0).what, "slow (pid 7) lost 40 packets.");
    files["/etc/waggle/words.d/mine.en.yaml"] = "parts: {who: \"process {pid}\"}\n";
    EXPECT_EQ(problems(), "");
    EXPECT_EQ(ask().findings.at(0).what, "process 7 lost 40 packets.");
    files.erase("/etc/waggle/words.d/mine.en.yaml");
    files["other/words.en.yaml"] = "parts: {who: somebody}\n";
    EXPECT_EQ(problems(), "room/words.en.yaml:2:3: part who is already there in another file");
    files["other/words.en.yaml"] = "parts: {Who: somebody}\n";
    EXPECT_THAT(problems(),
                HasSubstr("other/words.en.yaml:1:9: `parts` is a name of a-z, 0-9 and _, not Who"));
}

TEST_F(RuleLanguage, one_wrong_file_of_the_users_is_named_and_the_rest_go_on) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    const auto says = [&](const char* path, const char* text, const char* problem) {
        files[path] = text;
        const Answer answer = ask();
        EXPECT_EQ(answer.findings.size(), 1u) << path;
        EXPECT_THAT(answer.problems, ElementsAre(std::string(path) + problem));
        files.erase(path);
    };
    says("/etc/waggle/limits.d/a.yaml", "slow_reader: {least: 60s}",
         ":1:15: limit least is a plain number, not 60s.");
    says("/etc/waggle/limits.d/a.yaml", "slow_reader: {leest: 60}",
         ":1:15: rule slow_reader has no limit leest; did you mean least.");
    says("/etc/waggle/limits.d/a.yaml", "slow_raeder: {least: 60}",
         ":1:15: no rule is called slow_raeder; did you mean slow_reader.");
    says("/etc/waggle/lists.d/a.yaml", "routin: [5]",
         ":1:1: no list is called routin; did you mean routine; a new one has `means` and `words`.");
    says("/etc/waggle/lists.d/a.yaml", "routine: [5\n", ":2:1: not YAML: did not find expected ',' or ']'.");
    says("/etc/waggle/views.d/a.yaml", "- view: loss\n  means: x\n  query: SELECT 1 AS a",
         ":1:9: view loss is already there: room/views.yaml:1; `replaces: yes` takes its place.");
    says("/etc/waggle/views.d/a.yaml", "- view: loss\n  means: x\n  replaces: yes\n  query: SELECT 1 AS pid",
         ":4:10: the view it replaces has a column comm, which rules may read.");
    says("/etc/waggle/rules.d/a.yaml", "rule: mine\ntopic: x", ":1:1: rule mine lacks `severity`.");
    says("/etc/waggle/rules.d/a.yaml", "rul: mine",
         ":1:1: a file of a rule begins with `rule: name`; here stands a group of keys.");
    says("/etc/waggle/words.d/a.yaml", "slow_reader: {what: x}",
         ":1:1: the name of a file of words ends with its language, as mine.en.yaml.");
    says("/etc/waggle/words.d/a.en.yaml", "slow_reader: {waht: x}",
         ":1:15: the words of a rule have no key waht; did you mean what.");
    says("/etc/waggle/words.d/a.en.yaml", "slow_reader: {what: \"{comn}\"}",
         ":1:22: `what`: `when` has no column comn; did you mean comm.");
}

TEST_F(RuleLanguage, a_users_view_and_rule_take_the_place_of_the_builds) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    files["/etc/waggle/views.d/mine.yaml"] = R"(- view: loss
  means: "The same, doubled."
  replaces: yes
  query: SELECT pid, comm, port, 2 * count AS packets, big AS lost_bytes FROM drops
)";
    EXPECT_EQ(problems(), "");
    EXPECT_EQ(ask().findings.at(0).what, "slow (pid 7) lost 80 packets.");
    files["/etc/waggle/rules.d/mine.yaml"] = R"(rule: slow_reader
replaces: yes
topic: drops
severity: note
confidence: low
when: SELECT pid, comm, packets FROM loss
object: {kind: process, name: comm}
evidence: {}
words:
  what: "Mine: {comm}."
  because: ["It is so."]
  impact: "None."
  try: [{say: Nothing.}]
  check: [{do: waggle why}]
)";
    EXPECT_EQ(problems(), "");
    const Answer answer = ask();
    ASSERT_EQ(answer.findings.size(), 1u);
    EXPECT_EQ(answer.findings[0].what, "Mine: slow.");
}

// "before" comes first in the order of the files.
TEST_F(RuleLanguage, a_rule_reads_what_another_finds_with_the_limits_in_force) {
    files["room/rules/before.yaml"] = R"(rule: before
topic: drops
severity: note
confidence: high
when: SELECT pid, packets FROM slow_reader WHERE packets >= 20 ORDER BY pid
object: {kind: process, name: pid}
evidence: {}
words: {what: "{pid} lost {packets}.", because: ["."], impact: ".", try: [{say: "."}], check: [{say: "."}]}
)";
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    append(drops, {.pid = 8, .comm = "slow", .count = 30, .reason = 5, .port = 54});
    EXPECT_THAT(said_by("before"), ElementsAre("7 lost 40.", "8 lost 30."));
    const RuleBook book = load();
    EXPECT_THAT(book.entries()[1].tables, ElementsAre("drops", "sysctls"));
    files["/etc/waggle/limits.d/mine.yaml"] = "slow_reader: {least: 35}\n";
    EXPECT_THAT(said_by("before"), ElementsAre("7 lost 40."));
    files["/etc/waggle/limits.d/mine.yaml"] = "before: {most: 1}\n";
    EXPECT_EQ(problems(), "/etc/waggle/limits.d/mine.yaml:1:10: rule before has no limit most");
}

// A rule that takes the place of another is what those read that name it.
TEST_F(RuleLanguage, a_rule_that_reads_one_that_was_replaced_reads_the_new_one) {
    const std::string words =
        R"(words: {what: "{pid} lost {packets}.", because: ["."], impact: ".", try: [{say: "."}], check: [{say: "."}]})";
    const std::string rest =
        "topic: drops\nseverity: note\nconfidence: high\n"
        "object: {kind: process, name: pid}\nevidence: {}\n" +
        words + "\n";
    files["room/rules/before.yaml"] = "rule: before\nwhen: SELECT pid, packets FROM slow_reader\n" + rest;
    files["/etc/waggle/rules.d/mine.yaml"] =
        "rule: slow_reader\nreplaces: yes\nwhen: SELECT pid, packets FROM loss WHERE pid = 8\n" + rest;
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    append(drops, {.pid = 8, .comm = "slow", .count = 30, .reason = 5, .port = 54});
    const Answer answer = ask();
    EXPECT_THAT(answer.problems, IsEmpty());
    ASSERT_EQ(answer.findings.size(), 2u);
    for (const Finding& finding : answer.findings) EXPECT_EQ(finding.what, "8 lost 30.");
}

TEST_F(RuleLanguage, rules_that_read_each_other_are_refused) {
    const std::string rule = files[rule_file];
    files[rule_file].replace(rule.find("FROM loss l"), 11, "FROM (SELECT *, 1 AS lost_bytes FROM other) l");
    files["room/rules/other.yaml"] = R"(rule: other
topic: drops
severity: note
confidence: high
when: SELECT pid, comm, port, packets FROM slow_reader
object: {kind: process, name: pid}
evidence: {}
)";
    EXPECT_EQ(problems(),
              "room/rules/other.yaml:1:1: it reads rule slow_reader, which is not in use\n"
              "room/rules/slow_reader.yaml:1:1: it reads rule other, which is not in use");
}

TEST_F(RuleLanguage, a_rule_can_read_the_rows_of_several) {
    const auto other = [&](const std::string& name, const std::string& when) {
        files["room/rules/" + name + ".yaml"] = fmt::format(
            "rule: {}\ntopic: drops\nseverity: note\nconfidence: high\nwhen: {}\n"
            "object: {{kind: process, name: pid}}\nevidence: {{}}\n",
            name, when);
        files[words_file] += fmt::format(
            "{}:\n  asks: \"?\"\n  what: \"{{pid}}\"\n  because: [\"{{pid}}\"]\n  "
            "impact: \"{{pid}}\"\n  try: [{{say: \"x\"}}]\n  check: [{{do: x}}]\n",
            name);
    };
    other("a_sum", "SELECT f.pid FROM x_first f, y_second s WHERE f.pid = s.pid");
    other("x_first", "SELECT pid FROM loss");
    other("y_second", "SELECT pid FROM loss");
    EXPECT_EQ(problems(), "");
}

TEST_F(RuleLanguage, a_rule_of_the_users_holds_its_words_itself) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    files["/etc/waggle/rules.d/mine.yaml"] = R"(rule: mine
topic: drops
severity: note
confidence: low
when: SELECT comm, packets FROM loss WHERE in_list('mine', comm)
object: {kind: process, name: comm}
evidence: {all: {view: loss}}
words:
  what: "{comm}."
  because: ["It is so."]
  evidence: {all: "All."}
  impact: "None."
  try: [{say: Nothing.}]
  check: [{do: waggle why}]
)";
    files["/etc/waggle/lists.d/mine.yaml"] = "mine: {means: \"My programs.\", words: [\"sl*\"]}\n";
    EXPECT_EQ(problems(), "");
    const Answer answer = ask();
    ASSERT_EQ(answer.findings.size(), 2u);
    EXPECT_EQ(answer.findings[1].id, "mine: slow");
}

TEST_F(RuleLanguage, every_asks_a_rule_only_so_often) {
    files[rule_file] += "every: 10s\n";
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    RuleBook book = load();
    const auto at = [&](std::uint64_t seconds) {
        Answer answer;
        answer.window.to_ns = seconds * 1'000'000'000;
        sql.forget_views();
        book.ask(sql, "", answer);
        return answer.findings;
    };
    EXPECT_EQ(at(100).at(0).what, "slow (pid 7) lost 40 packets.");
    append(drops, {.pid = 7, .comm = "slow", .count = 2, .reason = 5, .port = 53});
    EXPECT_EQ(at(105).at(0).what, "slow (pid 7) lost 40 packets.");
    EXPECT_EQ(at(105).at(0).age_ns, 5'000'000'000u);
    EXPECT_EQ(at(110).at(0).what, "slow (pid 7) lost 42 packets.");
    EXPECT_EQ(at(110).at(0).age_ns, 0u);
}

TEST_F(RuleLanguage, stays_keeps_a_finding_for_a_while_and_says_how_old_it_is) {
    files[rule_file] += "stays: 10s\n";
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    RuleBook book = load();
    const auto at = [&](std::uint64_t seconds) {
        Answer answer;
        answer.window.to_ns = seconds * 1'000'000'000;
        sql.forget_views();
        book.ask(sql, "", answer);
        return answer.findings;
    };
    EXPECT_EQ(at(100).at(0).age_ns, 0u);
    drops.clear();
    EXPECT_EQ(at(109).at(0).age_ns, 9'000'000'000u);
    EXPECT_EQ(at(109).at(0).id, "slow_reader: port 53");
    EXPECT_THAT(at(111), IsEmpty());
}

TEST_F(RuleLanguage, in_window_says_whether_a_time_is_of_the_answer) {
    WindowRelation window({1000, 2000, 0});
    ASSERT_TRUE(window.add_to(sql));
    append(drops, {.pid = 1, .time_ns = 999});
    append(drops, {.pid = 2, .time_ns = 1000});
    const auto rows = sql.query("SELECT pid FROM drops WHERE in_window(time_ns)");
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->rows.size(), 1u);
    EXPECT_EQ(rows->rows[0][0].integer, 2);
}

TEST(SqlCache, statements_of_rules_stay_ready_whatever_else_is_asked) {
    Sql sql = std::move(*Sql::open());
    const auto time_of = [&](const std::string& statement) {
        const auto began = std::chrono::steady_clock::now();
        EXPECT_TRUE(sql.query(statement));
        return std::chrono::steady_clock::now() - began;
    };
    // A statement that takes long to prepare and no time to ask.
    std::string rule = "SELECT 1 WHERE 0";
    for (int i = 0; i < 60; ++i)
        rule += fmt::format(" UNION ALL SELECT a.x FROM (SELECT {} AS x) a WHERE 0", i);
    sql.keep(rule);
    const auto first = time_of(rule);
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(sql.query(fmt::format("SELECT {}", i)));
    auto again = time_of(rule);
    for (int i = 0; i < 5; ++i) again = std::min(again, time_of(rule));
    EXPECT_LT(again, first / 3);
}

}  // namespace
}  // namespace waggle::explain
