// SPDX-License-Identifier: Apache-2.0
#include "lab/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace waggle::lab {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json finding(const std::string& rule, const std::string& what, const std::string& netns) {
    return {{"id", rule + ": x"},
            {"rule", rule},
            {"severity", "warning"},
            {"confidence", "high"},
            {"what", what},
            {"because", {"The counter moved."}},
            {"impact", "Nobody can connect."},
            {"try", {"If it is meant, stop the sender.", "nft delete rule inet fw in handle 7    # now"}},
            {"evidence", json::array()},
            {"object", {{"kind", "firewall rule"}, {"name", "inet fw in handle 7"}, {"value", "drop"}}},
            {"subject", {{"netns", netns}}}};
}
std::string answer(const std::vector<json>& findings, const std::vector<std::string>& problems = {}) {
    return json{{"findings", findings}, {"problems", problems}, {"coverage", {{"seen", 1}}}}.dump();
}

Pattern pattern(std::string text, std::string why = "") {
    return {std::move(text), "f.yaml:1:1", std::move(why)};
}

class Judged : public testing::Test {
  protected:
    Judged() {
        fault_.expected.rules = {"firewall_drop"};
        fault_.expected.object = pattern("inet fw in handle ${rule}\\b");
        injected_.own = {"4026532001"};
        injected_.values = {{"rule", "7"}, {"pid", "812"}, {"address", "192.0.2.1"}};
    }
    Verdict judged(const std::string& json_text, const std::string& text = "") {
        Result<Verdict> verdict = judge(fault_, injected_, json_text, text);
        EXPECT_TRUE(verdict) << verdict.error().message;
        return verdict ? *verdict : Verdict{};
    }

    Fault fault_;
    Injected injected_;
    const json right_ =
        finding("firewall_drop", "The firewall dropped 20 packets to shop (pid 812).", "4026532001");
};

TEST_F(Judged, a_finding_with_the_right_rule_and_object_is_right) {
    fault_.expected.says = {pattern("\\(pid ${pid}\\)"), pattern("severity=warning")};
    const Verdict verdict = judged(answer({right_}));
    EXPECT_EQ(verdict.cause, "yes");
    EXPECT_EQ(verdict.object, "yes");
    EXPECT_THAT(verdict.missing, IsEmpty());
    EXPECT_TRUE(verdict.right(Claim::inside));
    EXPECT_EQ(verdict.first, "warning/high");
}

TEST_F(Judged, findings_about_others_are_counted_apart_and_not_judged) {
    fault_.expected.never = {pattern("dropped", "nothing was")};
    const Verdict verdict = judged(
        answer({finding("no_listener", "The firewall dropped 9.", "14026532001"),  // ends with our number
                finding("no_listener", "Nobody listens.", "4026532002")}));
    EXPECT_EQ(verdict.own, 0u);
    EXPECT_EQ(verdict.other, 2u);
    EXPECT_EQ(verdict.cause, "none");
    EXPECT_THAT(verdict.falsehoods, IsEmpty());
    EXPECT_FALSE(verdict.right(Claim::inside));
    EXPECT_TRUE(verdict.right(Claim::healthy));
}

TEST_F(Judged, another_rule_or_object_first_is_a_miss) {
    const Verdict other_rule =
        judged(answer({finding("no_listener", "Nobody listens.", "4026532001"), right_}));
    EXPECT_EQ(other_rule.cause, "other");
    EXPECT_FALSE(other_rule.right(Claim::inside));
    injected_.values["rule"] = "70";
    const Verdict other_object = judged(answer({right_}));
    EXPECT_EQ(other_object.cause, "yes");
    EXPECT_EQ(other_object.object, "no");
    EXPECT_THAT(other_object.missing, ElementsAre(HasSubstr("wanted /inet fw in handle 70\\b/")));
    EXPECT_FALSE(other_object.right(Claim::inside));
}

TEST_F(Judged, a_false_sentence_in_any_own_finding_is_told_with_what_is_true) {
    fault_.expected.never = {pattern("(pid ${pid}) ended", "it runs as ${pid}"), pattern("pid 8 ", "no")};
    json second = finding("no_listener", "Nobody listens since pid 812 ended.", "4026532001");
    const Verdict verdict = judged(answer({right_, second}));
    EXPECT_THAT(verdict.falsehoods, ElementsAre("FALSE \"pid 812 ended\": it runs as 812"));
    EXPECT_FALSE(verdict.right(Claim::inside));
    EXPECT_TRUE(verdict.whole(Claim::inside));
}

TEST_F(Judged, a_misleading_sentence_is_told_and_counts_apart) {
    fault_.expected.misleading = {pattern("dropped [0-9]+", "it rejects")};
    const Verdict verdict = judged(answer({right_}));
    EXPECT_THAT(verdict.misleading, ElementsAre("MISLEADING \"dropped 20\": it rejects"));
    EXPECT_TRUE(verdict.right(Claim::inside));
}

TEST_F(Judged, values_are_taken_literally) {
    fault_.expected.says = {pattern("to ${address}$")};
    EXPECT_THAT(judged(answer({finding("firewall_drop", "Dropped to 192a0b2c1", "4026532001")})).missing,
                ElementsAre(HasSubstr("the first finding does not say /to 192.0.2.1$/")));
}

TEST_F(Judged, a_value_that_inject_did_not_say_is_an_error_with_its_place) {
    fault_.expected.says = {pattern("${pidd}")};
    const Result<Verdict> verdict = judge(fault_, injected_, answer({right_}), "");
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().message, "f.yaml:1:1: inject did not say the value pidd; did you mean pid");
}

TEST_F(Judged, the_text_for_people_says_the_same_and_is_judged_too) {
    fault_.expected.never = {pattern("only rule that can", "there is another")};
    const std::string text =
        "WARNING  The firewall dropped 20\n         packets to shop (pid 812).\n  Because   It is the only "
        "rule\n"
        "            that can.\n\nNOTE  Nobody listens.\n";
    const Verdict verdict = judged(answer({right_, finding("no_listener", "Nobody listens.", "1")}), text);
    EXPECT_THAT(verdict.missing, IsEmpty());
    EXPECT_THAT(verdict.falsehoods, ElementsAre(HasSubstr("only rule that can")));
    EXPECT_THAT(judged(answer({right_}), "Nothing found.\n").missing,
                ElementsAre(HasSubstr("the text for people does not say: The firewall dropped 20")));
    // What stands below another's finding is not ours.
    const std::string others =
        "WARNING  The firewall dropped 20 packets to shop (pid 812).\n\nNOTE  Nobody listens.\n"
        "  It is the only rule that can.\n";
    EXPECT_THAT(judged(answer({right_, finding("no_listener", "Nobody listens.", "1")}), others).falsehoods,
                IsEmpty());
}

TEST_F(Judged, outside_the_claim_what_was_seen_must_be_shown_anywhere_in_the_answer) {
    fault_.expected = {};
    fault_.expected.rules = {"none"};
    fault_.expected.seen = {pattern("${address}")};
    EXPECT_FALSE(judged(answer({})).right(Claim::outside));
    EXPECT_EQ(judged(answer({})).cause, "yes");
    EXPECT_TRUE(judged(answer({}, {"76 packets from 192.0.2.1 were dropped."})).right(Claim::outside));
}

TEST_F(Judged, the_first_command_is_no_sentence) {
    const Verdict verdict = judged(answer({right_}));
    ASSERT_EQ(verdict.advice.size(), 1u);
    EXPECT_EQ(verdict.advice[0].command, "nft delete rule inet fw in handle 7    # now");
    json typed = right_;
    typed["try"] = {{{"say", "Stop the sender."}}, {{"do", "nft list ruleset"}}};
    EXPECT_EQ(judged(answer({typed})).advice[0].command, "nft list ruleset");
}

TEST_F(Judged, what_is_no_answer_is_an_error) {
    EXPECT_FALSE(judge(fault_, injected_, "waggle: no", ""));
    EXPECT_FALSE(judge(fault_, injected_, "[]", ""));
    EXPECT_FALSE(judge(fault_, injected_, "{\"findings\": 3}", ""));
}

TEST(Mentions, is_about_whole_words) {
    EXPECT_TRUE(mentions("disk loop1 is", "loop1"));
    EXPECT_TRUE(mentions("\"/tmp/waggle-lab.Ab/worker\"", "/tmp/waggle-lab.Ab"));
    EXPECT_FALSE(mentions("disk loop12 is", "loop1"));
    EXPECT_FALSE(mentions("14026532001", "4026532001"));
    EXPECT_TRUE(mentions("loop12, loop1", "loop1"));
    EXPECT_FALSE(mentions("anything", ""));
}

}  // namespace
}  // namespace waggle::lab
