// SPDX-License-Identifier: Apache-2.0
#include "render/live_screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "render/layout.h"
#include "render/testing/example_answer.h"

namespace waggle::sinks {
namespace {

using samples::cell;
using samples::example_answer;
using ::testing::HasSubstr;

constexpr std::uint64_t noon_ns = 1714564800ull * 1'000'000'000;  // 2024-05-01T12:00:00Z

std::vector<PastFinding> example_past() {
    constexpr std::uint64_t s = 1'000'000'000;
    return {{"a", "The disk was slow.", noon_ns - 2 * s, noon_ns + 4 * s, false},
            {"b", "It lasts.", noon_ns + 7 * s, noon_ns + 10 * s, true}};
}

std::vector<Figures> example_figures() {
    Figures figures;
    figures.sensor = "block_io";
    figures.result.columns = {{"requests_per_second", Unit::per_second},
                              {"read_bytes_per_second", Unit::bytes_per_second}};
    figures.result.rows = {{cell(120.0), cell(1258291.0)}};
    return {figures, {"empty", {}}};
}

// The frame's lines without the sequences that move and clear.
std::vector<std::string> lines_of(std::string frame) {
    std::vector<std::string> out;
    EXPECT_TRUE(frame.starts_with("\x1b[H"));
    EXPECT_TRUE(frame.ends_with("\x1b[J"));
    frame = frame.substr(3, frame.size() - 6);
    for (std::string_view line : split(frame, '\n')) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        EXPECT_TRUE(line.ends_with("\x1b[K"));
        line.remove_suffix(3);
        EXPECT_EQ(line.find('\x1b'), std::string_view::npos) << line;
        out.emplace_back(line);
    }
    return out;
}

TEST(LiveScreen, fills_the_terminal_exactly_and_never_more) {
    for (const auto& [width, height] : {std::pair{80u, 24u}, {80u, 10u}, {50u, 12u}, {200u, 60u}}) {
        const auto lines = lines_of(render_live_screen(example_answer(), example_figures(), example_past(),
                                                       {.width = width, .height = height}));
        EXPECT_EQ(lines.size(), height);
        for (const std::string& line : lines) EXPECT_LE(display_width(line), width) << line;
    }
}

TEST(LiveScreen, what_has_ended_stays_with_its_times_as_far_as_there_is_room) {
    const auto lines = lines_of(render_live_screen(example_answer(), example_figures(), example_past(), {}));
    const auto ended = std::ranges::find(lines, "Ended 12:00:04, began 11:59:58: The disk was slow.");
    ASSERT_NE(ended, lines.end());
    EXPECT_GT(ended - lines.begin(), 7) << "below what is found now";
    for (const std::string& line : lines) EXPECT_EQ(line.find("It lasts"), std::string::npos);
}

TEST(LiveScreen, shows_figures_findings_and_what_was_lost) {
    const auto lines = lines_of(render_live_screen(example_answer(), example_figures(), {}, {}));
    EXPECT_EQ(lines[0], "waggle  12:00:10 UTC  last 10 s: 1,352 rows seen, 7 lost");
    EXPECT_EQ(lines[1], "block_io  requests 120/s  read 1.2 MiB/s");
    EXPECT_EQ(lines[3], "CRITICAL named (pid 812) reads its UDP socket on port 53 too slowly: 1,312");
    EXPECT_EQ(lines[4], "  packets were lost in 10 s.");
    EXPECT_EQ(lines[5], "  The socket's receive buffer was full 1,312 times.");
    EXPECT_EQ(lines[6], "  Try: sysctl -w net.core.rmem_max=8388608    # now 208 KiB");
    EXPECT_EQ(lines[7], "WARNING Short.");
    EXPECT_EQ(lines[23], "Ctrl-C ends with a summary; `waggle why` explains in full.");
}

TEST(LiveScreen, says_how_many_findings_have_no_room) {
    const auto lines = lines_of(render_live_screen(example_answer(), example_figures(), {}, {.height = 9}));
    EXPECT_EQ(lines[7], "1 more: waggle why");
}

TEST(LiveScreen, says_when_nothing_is_found) {
    explain::Answer answer = example_answer();
    answer.findings.clear();
    EXPECT_THAT(render_live_screen(answer, {}, {}, {}), HasSubstr("Nothing found that is wrong."));
    EXPECT_THAT(render_live_screen(answer, {}, {}, {}), HasSubstr("Note: Firewall rules could not be read"));
}

TEST(LiveScreen, leaves_the_terminal_as_it_was) {
    EXPECT_THAT(live_screen_begin(), HasSubstr("\x1b[?1049h"));
    EXPECT_THAT(live_screen_end(), HasSubstr("\x1b[?1049l"));
    EXPECT_THAT(live_screen_end(), HasSubstr("\x1b[?25h"));
}

TEST(LiveScreen, has_lines_for_a_pipe) {
    EXPECT_EQ(render_live_start(3, {}),
              "Watching with 3 sensors. Findings are printed as they come; Ctrl-C ends.\n");
    EXPECT_EQ(render_live_summary(example_past(), 30'000'000'000, example_answer().coverage, {}),
              "Ended 12:00:04, began 11:59:58: The disk was slow.\nSince 12:00:07: It lasts.\n"
              "Watched 30 s: 2 findings; 1,352 rows seen, 7 lost.\n");
}

}  // namespace
}  // namespace waggle::sinks
