// SPDX-License-Identifier: Apache-2.0
#include "lab/fault.h"
#include "places.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

namespace waggle::lab {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view whole = R"(about: A rule drops a port.
source: somewhere/else#1
question: drops
claim: inside
kernels: 6.1-6.12
needs: [nft, ip]
quick: true
alone: true
watch: 8s
heals_in: 30s
answer:
  rule: [firewall_drop]
  object: 'handle ${rule}\b'
  says: ['pid ${pid}']
  also: [more]
  seen: [this]
  never:
    - {words: 'handle ${other}', because: it is another}
  misleading:
    - {words: dropped, because: it rejects}
  ideal: all of it
)";

TEST(Fault, is_read_with_all_that_its_file_says) {
    const Result<Fault> read = parse_fault("f.yaml", whole);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->about, "A rule drops a port.");
    EXPECT_EQ(read->source, "somewhere/else#1");
    EXPECT_EQ(read->question, "drops");
    EXPECT_EQ(read->claim, Claim::inside);
    EXPECT_EQ(read->kernels, "6.1-6.12");
    EXPECT_THAT(read->needs, ElementsAre("nft", "ip"));
    EXPECT_TRUE(read->quick);
    EXPECT_TRUE(read->alone);
    EXPECT_EQ(read->watch_ns, 8'000'000'000u);
    EXPECT_EQ(read->heals_in_ns, 30'000'000'000u);
    const Expected& expected = read->expected;
    EXPECT_THAT(expected.rules, ElementsAre("firewall_drop"));
    ASSERT_TRUE(expected.object);
    EXPECT_EQ(expected.object->text, "handle ${rule}\\b");
    EXPECT_EQ(expected.object->at, "f.yaml:13:11");
    ASSERT_EQ(expected.never.size(), 1u);
    EXPECT_EQ(expected.never[0].why, "it is another");
    EXPECT_EQ(expected.says.size() + expected.also.size() + expected.seen.size() + expected.misleading.size(),
              4u);
    EXPECT_EQ(expected.ideal, "all of it");
}

std::string with(std::string_view line, std::string_view instead) {
    std::string text(whole);
    text.replace(text.find(line), line.size(), instead);
    return text;
}

TEST(Fault, a_mistake_is_told_with_file_line_column_reason_and_the_nearest_word) {
    const struct {
        std::string text, says;
    } mistakes[] = {
        {with("needs: [nft, ip]", "need: [nft, ip]"),
         "f.yaml:6:1: a fault has no key need; did you mean needs"},
        {with("claim: inside\n", ""), "f.yaml:1:1: the fault lacks `claim`"},
        {with("claim: inside", "claim: insid"),
         "f.yaml:4:8: `claim` is one of inside, outside, healthy, not insid; did you mean inside"},
        {with("quick: true", "quick: maybe"), "f.yaml:7:8: `quick` is one of true, false, not maybe"},
        {with("needs: [nft, ip]", "needs: nft"), "f.yaml:6:8: `needs` must be a list; here stands a text"},
        {with("question: drops", "question: [drops]"),
         "f.yaml:3:11: `question` must be a text; here stands a list"},
        {with("watch: 8s", "watch: 8 minutes"), "f.yaml:9:8: `watch` is a number of seconds"},
        {with("heals_in: 30s", "heals_in: soon"), "f.yaml:10:11: `heals_in` is a number of seconds"},
        {with("watch: 8s", "watch: 99s"), "f.yaml:9:8: `watch` is a number of seconds"},
        {with("6.1-6.12", "newest"), "f.yaml:5:10: `kernels` is all, a version and a plus"},
        {with("6.1-6.12", "6.12-6.1"), "f.yaml:5:10: `kernels` is all"},
        {with("  says: ['pid", "  say: ['pid"), "f.yaml:14:3: `answer` has no key say; did you mean says"},
        {with("  rule: [firewall_drop]\n", ""), "f.yaml:12:3: `answer` lacks `rule`"},
        {with("[firewall_drop]", "none"),
         "f.yaml:12:9: a fault inside the claim has a rule that must find it"},
        {with("claim: inside", "claim: healthy"), "f.yaml:12:9: a healthy load has no rule"},
        {with("because: it is another", "becaus: it is another"),
         "f.yaml:18:34: an entry of `never` has no key becaus; did you mean because"},
        {with("{words: dropped, because: it rejects}", "dropped"),
         "f.yaml:20:7: each of `misleading` has `words` and `because`; here stands a text"},
        {with("'pid ${pid}'", "'pid (${pid}'"), "f.yaml:14:10: `says` is no regular expression"},
        {"- a list", "f.yaml:1:1: a fault is a group of keys; here stands a list"},
        {"", "f.yaml:1:1: a fault is a group of keys; here stands nothing"},
        {"about: a: b", "f.yaml:1:9: not YAML"},
    };
    for (const auto& [text, says] : mistakes) {
        const Result<Fault> read = parse_fault("f.yaml", text);
        ASSERT_FALSE(read) << says;
        EXPECT_THAT(read.error().message, HasSubstr(says));
    }
}

TEST(Fault, cannot_run_on_another_kernel_or_without_its_programs) {
    Fault fault;
    EXPECT_EQ(cannot_run(fault, "6.18.3"), "");
    fault.kernels = "6.4+";
    EXPECT_EQ(cannot_run(fault, "6.12.1-amd64"), "");
    EXPECT_EQ(cannot_run(fault, "6.1.0-21-amd64"), "this kernel is 6.1.0-21-amd64, the fault is for 6.4+");
    fault.kernels = "6.1-6.12";
    EXPECT_EQ(cannot_run(fault, "6.12.9"), "");
    EXPECT_NE(cannot_run(fault, "6.13.0"), "");
    fault.kernels = "all";
    fault.needs = {"sh", "no_such_program"};
    EXPECT_EQ(cannot_run(fault, "6.18.3"), "not installed: no_such_program");
}

TEST(Lab, every_fault_of_ours_can_be_read_and_has_inject_and_heal) {
    const std::string lab = WAGGLE_SOURCE_DIR "/lab";
    const Result<std::vector<Fault>> faults = read_faults(lab);
    ASSERT_TRUE(faults) << faults.error().message;
    EXPECT_GE(faults->size(), 70u);
    std::set<Claim> claims;
    for (const Fault& fault : *faults) {
        claims.insert(fault.claim);
        EXPECT_EQ(fault.claim == Claim::healthy, fault.name.starts_with("healthy/")) << fault.name;
        EXPECT_EQ(std::filesystem::canonical(fault.folder + "/heal"),
                  std::filesystem::canonical(lab + "/heal"))
            << fault.name << " puts back what lib.bash has written down";
        std::ifstream file(fault.folder + "/inject");
        for (std::string line; std::getline(file, line);)
            for (const char* word : {"ip netns add", "losetup", "mount ", "sysctl"})
                EXPECT_TRUE(line.find(word) == std::string::npos || line.starts_with("#"))
                    << fault.name
                    << "/inject: what is made goes through lib.bash, or heal does not know it: " << line;
    }
    EXPECT_EQ(claims.size(), 3u);
}

TEST(Lab, is_found_beside_the_tree_that_the_program_was_built_in) {
    const Result<std::string> found = find_lab("", WAGGLE_BINARY_DIR "/bin/waggle");
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, WAGGLE_SOURCE_DIR "/lab");
    EXPECT_FALSE(find_lab("", "/usr/bin/waggle"));
    EXPECT_THAT(find_lab("/etc", "").error().message, HasSubstr("/etc is no lab"));
}

TEST(Lab, is_found_in_the_share_folder_of_an_installation) {
    std::string prefix = (std::filesystem::temp_directory_path() / "waggle-prefix.XXXXXX").string();
    ASSERT_TRUE(::mkdtemp(prefix.data()));
    std::filesystem::create_directories(prefix + "/share/waggle/lab");
    std::ofstream(prefix + "/share/waggle/lab/lib.bash") << "";
    const Result<std::string> found = find_lab("", prefix + "/bin/waggle");
    std::filesystem::remove_all(prefix);
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(*found, prefix + "/share/waggle/lab");
}

}  // namespace
}  // namespace waggle::lab
