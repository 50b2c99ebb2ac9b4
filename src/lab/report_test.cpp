// SPDX-License-Identifier: Apache-2.0
#include "lab/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

Score score(std::string name, Claim claim, Verdict verdict) {
    Score out;
    out.fault.name = std::move(name);
    out.fault.claim = claim;
    out.fault.about = "A | B.";
    out.verdict = std::move(verdict);
    out.seconds = 6.5;
    return out;
}

std::vector<Score> some_scores() {
    Verdict right;
    right.cause = right.object = "yes";
    right.own = 1;
    right.first = "warning/high";
    Verdict lies = right;
    lies.falsehoods = {"FALSE \"x\": it is y"};
    Verdict missed;
    missed.missing = {"the answer does not show /z/"};
    Verdict silent;
    silent.cause = "yes";
    Verdict alarm = right;
    alarm.cause = "other";
    alarm.said = "A load is a fault.";
    Score skipped;
    skipped.fault.name = "skipped";
    skipped.skipped = "not installed: wrk";
    Score failed;
    failed.fault.name = "failed";
    failed.failed = "inject ended with 1";
    return {score("right", Claim::inside, right),
            score("lies", Claim::inside, lies),
            score("missed", Claim::outside, missed),
            score("shown", Claim::outside, silent),
            score("healthy/calm", Claim::healthy, silent),
            score("healthy/alarm", Claim::healthy, alarm),
            skipped,
            failed};
}

TEST(Report, the_sums_count_what_was_asked_and_name_the_rest) {
    const std::string text = sums(some_scores());
    EXPECT_THAT(
        text, HasSubstr("Inside the claim: 2 faults. Right cause first: 2. And with everything that must be "
                        "named: 2. And nothing false: 1."));
    EXPECT_THAT(text,
                HasSubstr("Outside it: 2 faults. Nothing false: 2. And the answer shows what was seen: 1."));
    EXPECT_THAT(text, HasSubstr("Healthy loads: 2. Silent: 1."));
    EXPECT_THAT(text, HasSubstr("With a false statement: 1."));
    EXPECT_THAT(text, HasSubstr("Failed: 1."));
    EXPECT_THAT(text, HasSubstr("Not run here: 1."));
}

TEST(Report, the_page_marks_misses_false_statements_and_alarms) {
    const std::string page = markdown(some_scores(), {"0.1.0", "6.18", "2026-03-01", 7, "6 s"});
    EXPECT_THAT(page, HasSubstr("waggle 0.1.0, Linux 6.18, 2026-03-01; each watched for 6 s, seed 7."));
    EXPECT_THAT(page, HasSubstr("| `right` | A \\| B. | right | yes | yes | 0 | 0 | 1 | warning/high |"));
    EXPECT_THAT(page, HasSubstr("| `lies` | A \\| B. | **false** |"));
    EXPECT_THAT(page, HasSubstr("| `missed` | A \\| B. | **miss** |"));
    EXPECT_THAT(page, HasSubstr("| `healthy/alarm` | A \\| B. | **alarm** |"));
    EXPECT_THAT(page, HasSubstr("### `lies`\n\n- FALSE \"x\": it is y"));
    EXPECT_THAT(page, HasSubstr("- says: A load is a fault."));
    EXPECT_THAT(page, HasSubstr("- `skipped`: not installed: wrk"));
    EXPECT_THAT(page, Not(HasSubstr("### `right`")));
}

TEST(Report, what_is_false_missing_failed_or_pasted_without_effect_counts_against) {
    const std::vector<Score> scores = some_scores();
    const bool against[] = {false, true, true, false, false, true, false, true};
    for (std::size_t i = 0; i < scores.size(); ++i) EXPECT_EQ(scores[i].counts_against(), against[i]) << i;
    Score pasted = scores[0];
    pasted.pasted = {{"nft list ruleset", Pasted::Effect::shows, ""}};
    EXPECT_FALSE(pasted.counts_against());
    EXPECT_THAT(score_lines(pasted, true), HasSubstr("shows only"));
    pasted.pasted.push_back({"true", Pasted::Effect::no_help, ""});
    EXPECT_TRUE(pasted.counts_against());
}

TEST(Report, nothing_in_a_line_can_move_the_cursor) {
    Score one = some_scores()[1];
    one.verdict->falsehoods = {"FALSE \"\x1b[2J\": no"};
    EXPECT_THAT(score_lines(one, false), HasSubstr("\\x1b[2J"));
    EXPECT_THAT(score_json(one), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace waggle::lab
