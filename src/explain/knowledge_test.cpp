// SPDX-License-Identifier: Apache-2.0
#include "explain/knowledge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>

#include "explain/knowledge_files.h"
#include "explain/lines/line_pattern.h"
#include "explain/lines/log_line.h"

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
#ifdef WAGGLE_SANITIZED
    constexpr double most_s = 0.5;
#else
    constexpr double most_s = 0.050;
#endif
    EXPECT_LT(static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC, most_s);
}

const Knowledge& own() {
    static const Knowledge knowledge = std::move(*Knowledge::open(knowledge_files()));
    return knowledge;
}

std::vector<std::string> own_words(std::string_view word) { return words(own(), word); }

TEST(Patterns, match_a_line_anywhere_and_a_name_whole) {
    const auto found = match_pattern("{comm}[{pid:d}]: segfault at {address} ip",
                                     "[ 12.5] my prog[77]: segfault at 0 ip 00007f");
    ASSERT_TRUE(found);
    EXPECT_THAT(*found, ElementsAre(::testing::Pair("comm", "prog"), ::testing::Pair("pid", "77"),
                                    ::testing::Pair("address", "0")));
    EXPECT_TRUE(match_pattern("a * c", "x A  long   C y"));
    EXPECT_FALSE(match_pattern("a {n:d} c", "a b c"));
    EXPECT_TRUE(match_pattern("sys_enter_{call}", "sys_enter_openat"));
    EXPECT_FALSE(match_pattern("sys_enter_{call}", "my_sys_enter_openat"));
    EXPECT_FALSE(match_pattern("sys_enter_{call}", "sys_enter_openat x"));
    EXPECT_EQ(match_pattern("dev {device}", "I/O error on dev sda, sector 1")->front().second, "sda");
}

TEST(Patterns, fill_in_no_value_that_a_shell_would_act_on) {
    const Captures captures{{"pid", "7"}, {"comm", "x';reboot;'"}};
    EXPECT_EQ(filled("{comm} ({pid}, {device})", captures, FillFor::words), "x';reboot;' (7, DEVICE)");
    EXPECT_EQ(filled("grep '{comm}' {pid} | awk '{print $1}'", captures, FillFor::command),
              "grep 'COMM' 7 | awk '{print $1}'");
}

TEST(OwnKnowledge, knows_the_texts_of_errors_and_negative_numbers) {
    EXPECT_THAT(own_words("No space left on device"), ElementsAre("ENOSPC"));
    EXPECT_THAT(own_words("connection reset by peer."), ElementsAre("ECONNRESET"));
    EXPECT_THAT(own_words("-28"), ElementsAre("ENOSPC"));
    EXPECT_THAT(own_words("errno -5"), ElementsAre("EIO"));
    EXPECT_THAT(own_words("-4096"), IsEmpty());
    EXPECT_EQ(own().short_words("errno", "ENOSPC"), "no space left on device");
}

TEST(OwnKnowledge, knows_lines_of_the_kernels_log_with_the_names_in_them) {
    const auto what = [](std::string_view line) {
        const auto found = own().find(line);
        // A crash is followed by its signal.
        return found && !found->empty() && found->size() <= 2
                   ? found->front().what
                   : "found " + std::to_string(found ? found->size() : 0);
    };
    EXPECT_THAT(what("[Mon] TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies."),
                HasSubstr("the listener on port 443 is full"));
    EXPECT_THAT(what("nf_conntrack: nf_conntrack: table full, dropping packet"),
                HasSubstr("connections is full"));
    EXPECT_THAT(what("Out of memory: Killed process 4242 (java) total-vm:1kB"),
                HasSubstr("the process 4242 (java)"));
    EXPECT_THAT(what("INFO: task kworker/3:1:812 blocked for more than 120 seconds."),
                HasSubstr("The task 812 (kworker/3:1) has waited inside the kernel for 120 s"));
    EXPECT_THAT(what("EXT4-fs error (device sda1): ext4_lookup:1590: inode #2"),
                HasSubstr("ext4 file system on sda1"));
    EXPECT_THAT(what("watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [cc1:99]"),
                HasSubstr("The processor 3 ran inside"));
    EXPECT_THAT(what("worker[9]: segfault at 8 ip 000055d0 sp 00007ffe error 4 in worker[55d0+1000]"),
                HasSubstr("The process 9 (worker) used memory at the address 8"));
    EXPECT_THAT(what("soft lockup"), HasSubstr("The processor CPU ran"));
}

TEST(OwnKnowledge, finds_what_a_line_names_and_nothing_in_plain_words) {
    const auto named = [](std::string_view line) {
        std::vector<std::string> out;
        const auto found = find_in_line(own(), line);
        if (found)
            for (const Explanation& each : *found) out.push_back(each.word);
        return out;
    };
    EXPECT_THAT(named("cp: error writing 'x': No space left on device"), ElementsAre("ENOSPC"));
    EXPECT_THAT(named("mount failed with error -5"), ElementsAre("EIO"));
    EXPECT_THAT(named("write() = -1 EAGAIN (Resource temporarily unavailable)"), ElementsAre("EAGAIN"));
    EXPECT_THAT(named("worker 3 READ 17 of WRITE at -5"), IsEmpty());
    EXPECT_THAT(named("the unit was killed, see the kill command"), IsEmpty());
}

TEST(OwnKnowledge, knows_counters_with_and_without_their_group_and_by_family) {
    EXPECT_THAT(own_words("ListenOverflows"), ElementsAre("TcpExtListenOverflows"));
    EXPECT_THAT(own_words("TcpExt: ListenOverflows"), ElementsAre("TcpExtListenOverflows"));
    EXPECT_THAT(own_words("TcpExtListenOverflows"), ElementsAre("TcpExtListenOverflows"));
    EXPECT_THAT(own_words("Udp6RcvbufErrors"), ElementsAre("Udp6RcvbufErrors"));
    EXPECT_THAT(own_words("Udp6Nonsense"), IsEmpty());
    EXPECT_THAT(own_words("Icmp6OutPktTooBigs"), ElementsAre("Icmp6OutPktTooBigs"));
}

TEST(OwnKnowledge, knows_a_system_calls_tracepoints_by_the_call_alone) {
    const auto found = own().find("syscalls:sys_enter_openat");
    ASSERT_TRUE(found && found->size() == 1);
    EXPECT_EQ(found->front().kind, "tracepoint");
    EXPECT_THAT(found->front().what, HasSubstr("A process makes the system call openat"));
    EXPECT_THAT(own_words("sys_enter_nonsense"), IsEmpty());
    // EXIT_CHDIR is an exit code of systemd's.
    EXPECT_THAT(own_words("sys_exit_chdir"), ElementsAre("sys_exit_chdir"));
}

}  // namespace
}  // namespace waggle::explain
