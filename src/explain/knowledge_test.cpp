// SPDX-License-Identifier: Apache-2.0
#include "explain/knowledge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "explain/knowledge_files.h"

namespace waggle::explain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view errors = R"yaml(# Errors.
_kind: errno
_title: "error number (errno)"
EPERM:
  number: 1
  what: "Not permitted."
  because: ["No privilege.", "Not the owner."]
  impact: "The call did nothing."
  try: ["id    # who"]

# A comment between.
ENOSPC:
  names: [disk full, "no space"]
  number: 28
  what: "No space."
  impact: "Not written."
  check: ["df"]
)yaml";
constexpr std::string_view drops = R"yaml(_kind: drop_reason
_title: "drop reason"
NO_SOCKET:
  names: [SKB_DROP_REASON_NO_SOCKET]
  what: "Nobody listens."
  impact: "Lost."
  loss: false
  since: "6.1"
"odd: one":
  number: 28
  what: "x"
  impact: "y"
)yaml";

std::vector<std::string> words(const Knowledge& knowledge, std::string_view word) {
    const auto found = knowledge.find(word);
    EXPECT_TRUE(found) << found.error().message;
    std::vector<std::string> out;
    if (found)
        for (const Explanation& explanation : *found) out.push_back(explanation.word);
    return out;
}

class KnowledgeTest : public ::testing::Test {
  protected:
    const EmbeddedFile files[2] = {{"errno.yaml", errors}, {"drops.yaml", drops}};
    Knowledge knowledge = std::move(*Knowledge::open(files));
};

std::string refused(std::string_view text) {
    const EmbeddedFile files[] = {{"k.yaml", text}};
    const auto knowledge = Knowledge::open(files);
    if (!knowledge) return knowledge.error().message;
    const auto checked = knowledge->check();
    return checked ? "fine" : checked.error().message;
}

TEST_F(KnowledgeTest, tells_all_it_knows_of_a_word) {
    const auto found = knowledge.find("EPERM");
    ASSERT_TRUE(found && found->size() == 1);
    const Explanation& entry = found->front();
    EXPECT_EQ(entry.word, "EPERM");
    EXPECT_EQ(entry.kind, "errno");
    EXPECT_EQ(entry.title, "error number (errno)");
    EXPECT_EQ(entry.what, "Not permitted.");
    EXPECT_THAT(entry.because, ElementsAre("No privilege.", "Not the owner."));
    EXPECT_EQ(entry.impact, "The call did nothing.");
    EXPECT_THAT(entry.try_, ElementsAre("id    # who"));
    EXPECT_THAT(entry.check, IsEmpty());
    EXPECT_EQ(entry.number, 1);
    const auto drop = knowledge.find("no_socket");
    EXPECT_FALSE(drop->front().loss);
    EXPECT_EQ(drop->front().since, "6.1");
}

TEST_F(KnowledgeTest, finds_words_by_alias_number_kind_and_any_spelling) {
    EXPECT_THAT(words(knowledge, "enospc"), ElementsAre("ENOSPC"));
    EXPECT_THAT(words(knowledge, "Disk-Full"), ElementsAre("ENOSPC"));
    EXPECT_THAT(words(knowledge, "SKB_DROP_REASON_NO_SOCKET"), ElementsAre("NO_SOCKET"));
    EXPECT_THAT(words(knowledge, "28"), ElementsAre("ENOSPC", "odd: one"));
    EXPECT_THAT(words(knowledge, "errno 28"), ElementsAre("ENOSPC"));
    EXPECT_THAT(words(knowledge, "drop reason no socket"), ElementsAre("NO_SOCKET"));
    EXPECT_THAT(words(knowledge, "ODD: ONE"), ElementsAre("odd: one"));
    EXPECT_THAT(words(knowledge, "names"), IsEmpty());
    EXPECT_THAT(words(knowledge, "_kind"), IsEmpty());
    EXPECT_THAT(words(knowledge, ""), IsEmpty());
}

TEST_F(KnowledgeTest, an_unknown_word_gets_the_nearest) {
    EXPECT_THAT(knowledge.nearest("NO_SOKET"), ElementsAre("NO_SOCKET"));
    EXPECT_THAT(knowledge.nearest("enopsc"), ElementsAre("ENOSPC"));
    EXPECT_THAT(knowledge.nearest("zzzzzz"), IsEmpty());
}

TEST_F(KnowledgeTest, counts_its_entries_when_all_is_well) { EXPECT_EQ(*knowledge.check(), 4u); }

TEST(KnowledgeRefused, says_where_and_what_is_wrong) {
    const std::string head = "_kind: k\n_title: t\n";
    EXPECT_EQ(refused("A:\n  what: x\n"), "k.yaml:1:1: a file of knowledge begins with `_kind` and `_title`");
    EXPECT_EQ(refused("_kind: k\nA:\n  what: x\n"),
              "k.yaml:2:1: a file of knowledge begins with `_kind` and `_title`");
    EXPECT_EQ(refused("_kind: []\n_title: t\n"), "k.yaml:1:1: `_kind` must be a text");
    EXPECT_EQ(refused(head + "A:\n  what: x\n"), "k.yaml:3:1: A lacks `impact`");
    EXPECT_EQ(refused(head + "A:\n"), "k.yaml:3:1: A must have `what` and `impact`; here stands nothing");
    EXPECT_EQ(refused(head + "A:\n  wat: x\n"), "k.yaml:4:3: an entry has no key wat; did you mean what");
    EXPECT_EQ(refused(head + "A:\n  what: x\n  impact: y\n  try: z\n"),
              "k.yaml:6:8: `try` must be a list with entries");
    EXPECT_EQ(refused(head + "A:\n  what: x\n  impact: y\n  number: z\n"),
              "k.yaml:6:11: `number` must be a whole number");
    EXPECT_EQ(refused(head + "A:\n  what: x\n  impact: y\n  loss: yes\n"),
              "k.yaml:6:9: `loss` must be true or false");
    EXPECT_EQ(refused(head + "A:\n  what: ''\n  impact: y\n"),
              "k.yaml:4:9: `what` must be a text; here stands an empty one");
    EXPECT_EQ(refused(head + "A:\n  what: x\n  impact: y\nb:\n  names: [a]\n  what: x\n  impact: y\n"),
              "k.yaml:6:1: a is already the entry of line 3");
    EXPECT_EQ(refused(head + "A:\n  what: x\n  impact: y\n  names:\n    - one\n    - two\n"),
              "k.yaml:7:5: `names` must be a list in brackets: [one, two]");
    EXPECT_EQ(refused(head + "? A\n: {what: x, impact: y}\n"),
              "k.yaml:3:3: A must begin in column 0 of a line of its own");
    EXPECT_EQ(refused(head + "A:\n  what: x\n  impact: y\n"), "fine");
}

TEST(KnowledgeRefused, a_broken_entry_is_named_by_its_line_in_the_file) {
    const EmbeddedFile files[] = {
        {"k.yaml", "_kind: k\n_title: t\nA:\n  what: x\n  impact: y\nB:\n  what: [x\n"}};
    const auto knowledge = Knowledge::open(files);
    ASSERT_TRUE(knowledge);
    EXPECT_EQ(words(*knowledge, "A").size(), 1u) << "the others are still served";
    const auto broken = knowledge->find("B");
    ASSERT_FALSE(broken);
    EXPECT_THAT(broken.error().message, HasSubstr("k.yaml:8:1: not YAML: "));
}

TEST(KnowledgeOfThisBuild, is_whole_and_answers_at_once) {
    const auto knowledge = Knowledge::open(knowledge_files());
    ASSERT_TRUE(knowledge) << knowledge.error().message;
    const auto checked = knowledge->check();
    ASSERT_TRUE(checked) << checked.error().message;
    EXPECT_GT(*checked, 500u);
    for (const std::string_view word : {"SOCKET_RCVBUFF", "ENOSPC", "block_rq_issue", "SIGSEGV", "errno 28"})
        EXPECT_THAT(words(*knowledge, word), ::testing::Not(IsEmpty())) << word;
    // Processor time: the machine may be busy with other things, the answer may not.
    const std::clock_t before = std::clock();
    EXPECT_EQ(words(*knowledge, "SOCKET_RCVBUFF").size(), 1u);
    EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, 0.050);
}

}  // namespace
}  // namespace waggle::explain
