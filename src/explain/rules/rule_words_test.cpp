// SPDX-License-Identifier: Apache-2.0
// Words: optional parts, plurals, short words of the knowledge, typed advice, languages.
#include "explain/knowledge_files.h"
#include "explain/sentence.h"
#include "explain/testing/rules.h"

namespace waggle::explain {
namespace {

using namespace samples;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> columns = {"n", "share", "comm", "missing", "signal", "code", ":least"};
const std::vector<Unit> units = {Unit::count, Unit::none,       Unit::none,       Unit::none,
                                 Unit::none,  Unit::identifier, Unit::nanoseconds};

std::string say(std::string_view text, std::vector<Cell> row, Place place = Place::words,
                std::string_view language = "en") {
    static const Knowledge knowledge = std::move(*Knowledge::open(knowledge_files()));
    static const std::vector<std::string_view> kinds = knowledge.kinds();
    static const SentenceParts parts = {
        {"who", {"{missing}", "{comm}[ in {missing}]", "somebody"}},
        {"who_lost", {"{>who} ({n, plural, one {# packet} other {# packets}})"}},
        {"nobody", {"{missing}"}},
        {"circle", {"{>circle}"}},
        {"broken", {"{commm}"}}};
    const Sentence::Form form{place, columns, units, language, kinds, &parts};
    if (const auto fault = Sentence::check(text, form))
        return std::to_string(fault->offset) + ": " + fault->reason;
    return Sentence::make(text, form)->say(row, &knowledge).value_or("(not said)");
}
std::vector<Cell> row(std::int64_t n) {
    return {cell(n),
            cell(1.5),
            cell("nginx"),
            Cell{},
            cell("SIGSEGV"),
            cell(std::int64_t{127}),
            cell(std::int64_t{2'000'000'000})};
}

TEST(Words, an_optional_part_is_said_where_all_its_values_are_known) {
    EXPECT_EQ(say("It runs[ as {comm}][ in {missing}].", row(1)), "It runs as nginx.");
    EXPECT_EQ(say("It runs[ as {comm}[ in {missing}]].", row(1)), "It runs as nginx.");
    EXPECT_EQ(say("It runs[ as {comm} in {missing}].", row(1)), "It runs.");
    EXPECT_EQ(say("a[[0]] {comm}", row(1)), "a[0] nginx");
    EXPECT_EQ(say("kill[ -{signal}] {comm}", row(1), Place::command), "kill -SIGSEGV nginx");
}

TEST(Words, a_part_that_sentences_share_says_the_first_of_its_alternatives_that_can_be_said) {
    EXPECT_EQ(say("It is {>who}.", row(1)), "It is nginx.");
    EXPECT_EQ(say("Lost: {>who_lost}.", row(2)), "Lost: nginx (2 packets).");
    std::vector<Cell> nameless = row(1);
    nameless[2] = Cell{};
    EXPECT_EQ(say("Lost: {>who_lost}.", nameless), "Lost: somebody (1 packet).");
    EXPECT_EQ(say("It is {>nobody}.", row(1)), "(not said)");
    EXPECT_EQ(say("It runs[ as {>nobody}][ by {>who}].", row(1)), "It runs by nginx.");
}

TEST(Words, wrong_parts_of_sentences_are_refused_where_they_are_said) {
    EXPECT_EQ(say("It is {>whom}.", row(1)), "6: no part of sentences is called whom; did you mean who");
    EXPECT_EQ(say("It is {>broken}.", row(1)),
              "6: part broken: `when` has no column commm; did you mean comm");
    EXPECT_THAT(say("It is {>circle}.", row(1)),
                HasSubstr("part circle stands too deep inside other parts, or in itself"));
    EXPECT_EQ(say("kill {>who}", row(1), Place::command),
              "5: a command has no parts; they stand in words only");
}

TEST(Words, wrong_brackets_are_refused_where_they_stand) {
    EXPECT_EQ(say("It [runs.", row(1)), "3: a [ without its ]; a bracket that is meant is written [[");
    EXPECT_EQ(say("It runs].", row(1)), "7: a ] without its [; a bracket that is meant is written ]]");
    EXPECT_EQ(say("It [always] runs.", row(1)),
              "3: [ ] holds no value, so it would always be said; a bracket that is meant is written [[");
    EXPECT_EQ(say("It {comm", row(1)), "3: a { without its }; a brace that is meant is written {{");
}

TEST(Words, a_choice_follows_the_word_and_is_not_said_for_one_it_lacks) {
    constexpr std::string_view text =
        "{signal, select, SIGSEGV {{comm} crashed} SIGTERM {{comm} was stopped}}.";
    EXPECT_EQ(say(text, row(1)), "nginx crashed.");
    std::vector<Cell> other = row(1);
    other[4] = cell("SIGKILL");
    EXPECT_EQ(say(text, other), "(not said)");
    EXPECT_EQ(say("It ended{signal, select, other { by {signal}} SIGSEGV { badly}}.", other),
              "It ended by SIGKILL.");
    EXPECT_EQ(say("It ended{signal, select, other { by {signal}} SIGSEGV { badly}}.", row(1)),
              "It ended badly.");
    EXPECT_EQ(say("{code, select, 127 {not found}}", row(1)), "not found");
    EXPECT_EQ(say("a[{missing, select, other {b}}]", row(1)), "a");
    EXPECT_EQ(say("kill {signal, select, SIGSEGV {-SEGV}} {code}", row(1), Place::command), "kill -SEGV 127");
    EXPECT_THAT(say("{signal, choose, a {b}}", row(1)), HasSubstr("`plural` or `select`"));
    EXPECT_THAT(say("{signal, select, a {b} a {c}}", row(1)), HasSubstr("has a twice"));
    EXPECT_THAT(say("{signal, select, a}", row(1)), HasSubstr("its text in braces"));
}

TEST(Words, a_plural_follows_the_number_as_it_is_printed) {
    constexpr std::string_view text = "{n, plural, one {# packet was} other {# packets were}} lost.";
    EXPECT_EQ(say(text, row(1)), "1 packet was lost.");
    EXPECT_EQ(say(text, row(0)), "0 packets were lost.");
    EXPECT_EQ(say(text, row(1234)), "1,234 packets were lost.");
    EXPECT_EQ(say("{share, plural, one {# time} other {# times}}", row(1)), "1.5 times");
    EXPECT_EQ(say("{share:count, plural, one {# time} other {# times}}", row(1)), "1.5 times");
    EXPECT_EQ(say("{n, plural, other {{comm} #}}", row(3)), "nginx 3");
    EXPECT_EQ(say("{missing, plural, other {#}}", row(3)), "(not said)");
}

TEST(Words, plurals_of_other_languages_have_their_own_forms) {
    constexpr std::string_view text =
        "{n, plural, one {# paket} few {# paketa} many {# paketov} other {# p}}";
    EXPECT_EQ(say(text, row(1), Place::words, "ru"), "1 paket");
    EXPECT_EQ(say(text, row(3), Place::words, "ru_RU"), "3 paketa");
    EXPECT_EQ(say(text, row(11), Place::words, "ru"), "11 paketov");
    EXPECT_EQ(say(text, row(21), Place::words, "ru"), "21 paket");
    EXPECT_EQ(say(text, row(1), Place::words, "zh"), "1 p");
}

TEST(Words, wrong_plurals_are_refused) {
    EXPECT_EQ(say("{n, plural, one {# a}}", row(1)), "0: a plural lacks the form `other`");
    EXPECT_EQ(say("{n, plurals, other {# a}}", row(1)), "0: after the comma stands `plural` or `select`");
    EXPECT_EQ(say("{n, plural, on {# a} other {#}}", row(1)),
              "12: a plural has the forms zero, one, two, few, many and other, not \"on\"");
    EXPECT_EQ(say("kill {n, plural, other {#}}", row(1), Place::command),
              "5: a command has no plural; it stands in words only");
}

TEST(Words, the_short_words_of_the_knowledge_explain_a_value) {
    EXPECT_EQ(say("{signal}: {signal:short}.", row(1)),
              "SIGSEGV: it used memory in a way that is not allowed.");
    EXPECT_EQ(
        say("{code}: {code:short(exit_code)}.", row(1)),
        "127: a shell ends so when a program is not found, the loader of programs when a library is not.");
    std::vector<Cell> unknown = row(1);
    unknown[5] = cell(std::int64_t{77});
    EXPECT_EQ(say("{code:short(exit_code)}", unknown), "(not said)");
    EXPECT_EQ(
        say("{signal} means: {signal:what}", {Cell{}, Cell{}, Cell{}, Cell{}, cell("SIGKILL")}).substr(0, 15),
        "SIGKILL means: ");
    EXPECT_THAT(say("{code:what(exit_code)}", unknown), HasSubstr("Not allowed"));
    unknown[5] = cell(std::int64_t{99999});
    EXPECT_EQ(say("{code:what(exit_code)}", unknown), "(not said)");
    EXPECT_THAT(say("{code:what}", row(1)), HasSubstr("write {code:what(kind)}"));
    EXPECT_THAT(say("{code:short}", row(1)), HasSubstr("the knowledge has no kind code"));
    EXPECT_THAT(say("{code:short(exit_cod)}", row(1)), HasSubstr("did you mean exit_code"));
}

TEST(Words, a_command_holds_no_comment) {
    EXPECT_EQ(say("kill {n}  # it ends {comm}", row(1), Place::command),
              "10: what follows # in a command stands in `why`");
    EXPECT_EQ(say("kill {n} [#{comm}]", row(1), Place::command),
              "10: what follows # in a command stands in `why`");
    EXPECT_EQ(say("echo 'a # b' c#d {comm}", row(1), Place::command), "echo 'a # b' c#d nginx");
}

TEST(Words, a_limit_is_said_in_its_unit) { EXPECT_EQ(say("Less than {:least}.", row(1)), "Less than 2 s."); }

using WordFiles = RuleRoom;

TEST_F(WordFiles, advice_says_itself_whether_it_is_a_command) {
    append(drops, {.pid = 7, .comm = "slow", .count = 1, .reason = 5, .port = 53});
    append(drops, {.pid = 7, .comm = "slow", .count = 39, .reason = 5, .port = 53});
    Finding finding = ask().findings.at(0);
    EXPECT_THAT(finding.try_, ElementsAre("Make slow read faster."));
    EXPECT_EQ(finding.advice.at(0).kind, Advice::Kind::say);
    append(sysctls, "net.core.rmem_max", 212992);
    finding = ask().findings.at(0);
    EXPECT_THAT(finding.try_, ElementsAre("sysctl -w x=212992    # now 208 KiB"));
    ASSERT_EQ(finding.advice.size(), 2u);
    EXPECT_EQ(finding.advice[0].kind, Advice::Kind::command);
    EXPECT_EQ(finding.advice[0].text, "sysctl -w x=212992");
    EXPECT_EQ(finding.advice[0].why, "now 208 KiB");
    EXPECT_EQ(finding.advice[1].part, Advice::Part::check);
    EXPECT_THAT(finding.check, ElementsAre("waggle why drops"));
}

TEST_F(WordFiles, wrong_words_are_refused_where_they_stand) {
    EXPECT_EQ(
        with(words_file, "{do: waggle why drops}", "waggle why drops"),
        "room/words.en.yaml:9:11: an entry of `check` is {do: a command} or {say: a sentence}; here stands a "
        "text");
    EXPECT_EQ(with(words_file, "{say: \"Make", "{say: x, do: \"Make"),
              "room/words.en.yaml:8:69: an entry of `try` has either `do` or `say`");
    EXPECT_EQ(with(words_file, "{do: waggle why drops}", "{do: \"x # y\"}"),
              "room/words.en.yaml:9:19: `do`: what follows # in a command stands in `why`");
    EXPECT_EQ(with(words_file, "lost: \"What", "lots: \"What"),
              "room/words.en.yaml:5:14: the rule's `evidence` has no key lots; did you mean lost");
    EXPECT_EQ(with(words_file, "  impact: \"It is {comm} that waits.\"\n", ""),
              "room/rules/slow_reader.yaml:1:1: rule slow_reader has no words `impact`; they stand in "
              "words.en.yaml, "
              "or below `words` in the rule");
    EXPECT_EQ(
        with(words_file, "slow_reader:", "slow_readr:"),
        "room/rules/slow_reader.yaml:1:1: rule slow_reader has no words `what`; they stand in words.en.yaml, "
        "or "
        "below `words` in the rule\n"
        "room/words.en.yaml:2:3: words of slow_readr, but no rule is called so; did you mean slow_reader");
    EXPECT_EQ(with(words_file, "{do: waggle why drops}", "{do: waggle why drops, run_in: netns}"),
              "room/words.en.yaml:9:42: `run_in: netns` needs a column netns of `when`");
}

TEST_F(WordFiles, words_of_another_language_are_said_and_english_where_it_lacks_them) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    files["room/words.xx.yaml"] = R"(slow_reader:
  what: "xx {comm} {packets, plural, one {# pakko} other {# pakkoj}}."
  because: ["xx bufro."]
)";
    EXPECT_EQ(problems("xx"), "");
    const Finding finding = ask("xx").findings.at(0);
    EXPECT_EQ(finding.what, "xx slow 40 pakkoj.");
    EXPECT_THAT(finding.because, ElementsAre("xx bufro."));
    EXPECT_EQ(finding.impact, "It is slow that waits.");
    EXPECT_EQ(ask("xx_XX").findings.at(0).what, "xx slow 40 pakkoj.");
    EXPECT_EQ(ask("yy").findings.at(0).what, "slow (pid 7) lost 40 packets.");
    const RuleBook book = load("en");
    EXPECT_THAT(book.languages(), ElementsAre("en", "xx"));
    EXPECT_THAT(book.words_lacking(),
                ElementsAre("room/words.xx.yaml: rule slow_reader lacks `asks`, `check`, "
                            "`evidence`, `impact`, `try`"));
}

TEST_F(WordFiles, a_wrong_sentence_of_another_language_falls_back_to_english) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    files["room/words.xx.yaml"] = "slow_reader: {what: \"xx {comn}.\", impact: \"xx.\"}\n";
    EXPECT_EQ(problems("xx"),
              "room/words.xx.yaml:1:25: `what`: `when` has no column comn; did you mean comm");
    const Finding finding = ask("xx").findings.at(0);
    EXPECT_EQ(finding.what, "slow (pid 7) lost 40 packets.");
    EXPECT_EQ(finding.impact, "xx.");
}

TEST_F(WordFiles, the_users_words_stand_before_the_builds) {
    append(drops, {.pid = 7, .comm = "slow", .count = 40, .reason = 5, .port = 53});
    files["/etc/waggle/words.d/mine.en.yaml"] = "slow_reader: {impact: \"Call the network people.\"}\n";
    EXPECT_EQ(ask().findings.at(0).impact, "Call the network people.");
}

// A small stand-in for the fact of that name.
struct NamespaceRecord {
    __u32 netns;
    __u8 own;
    __u8 reserved[3];
    waggle_text path;
    waggle_text name;
};
constexpr Field namespace_fields[] = {
    WAGGLE_FIELD(NamespaceRecord, netns, Unit::identifier, "Its number."),
    WAGGLE_FLAG(NamespaceRecord, own, "Whether it is the reader's own."),
    WAGGLE_FIELD(NamespaceRecord, path, Unit::none, "Its path."),
    WAGGLE_FIELD(NamespaceRecord, name, Unit::none, "Its name."),
};
constexpr Schema namespace_schema = {"network_namespaces", "A network stack.", sizeof(NamespaceRecord),
                                     namespace_fields, false};

TEST_F(WordFiles, a_command_runs_in_the_network_namespace_it_is_about) {
    Table namespaces(namespace_schema, 1 << 16);
    const auto add = [&](std::uint32_t netns, bool own, std::string_view path, std::string_view name = "") {
        RecordWriter<NamespaceRecord> record;
        record.fixed.netns = netns;
        record.fixed.own = own;
        record.text(&NamespaceRecord::path, path);
        record.text(&NamespaceRecord::name, name);
        namespaces.append(Row(namespace_schema, record.finish()));
    };
    add(100, true, "/proc/1/ns/net");
    add(200, false, "/run/it's");
    add(400, false, "/proc/812/ns/net", "blue");
    ASSERT_TRUE(sql.add(namespaces, {}));
    files[rule_file].replace(files[rule_file].find("SELECT l.*"), 10, "SELECT l.*, l.port AS netns");
    files[words_file].replace(files[words_file].find("{do: waggle why drops}"), 22,
                              "[{do: nft list ruleset, why: look, run_in: netns}, {say: It is gone.}]");
    EXPECT_EQ(problems(), "");
    append(drops, {.pid = 1, .comm = "c", .count = 43, .reason = 5, .port = 100});
    append(drops, {.pid = 2, .comm = "c", .count = 42, .reason = 5, .port = 200});
    append(drops, {.pid = 3, .comm = "c", .count = 41, .reason = 5, .port = 300});
    append(drops, {.pid = 4, .comm = "c", .count = 40, .reason = 5, .port = 400});
    const Answer answer = ask();
    ASSERT_EQ(answer.findings.size(), 4u);
    EXPECT_THAT(answer.findings[0].check, ElementsAre("nft list ruleset    # look"));
    EXPECT_THAT(answer.findings[1].check,
                ElementsAre("nsenter --net='/run/it'\\''s' nft list ruleset    # look"));
    EXPECT_THAT(answer.findings[2].check, ElementsAre("It is gone."));
    EXPECT_THAT(answer.findings[3].check, ElementsAre("ip netns exec blue nft list ruleset    # look"))
        << "a name stays when the process ends";
}

}  // namespace
}  // namespace waggle::explain
