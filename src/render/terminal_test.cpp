// SPDX-License-Identifier: Apache-2.0
#include "render/terminal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/text.h"
#include "render/layout.h"
#include "render/testing/example_answer.h"

namespace waggle::sinks {
namespace {

using samples::cell;
using samples::example_answer;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string without_escapes(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\x1b')
            i = text.find('m', i);
        else
            out += text[i];
    }
    return out;
}

TEST(Terminal, prints_the_six_parts_in_80_columns) {
    EXPECT_EQ(render_answer(example_answer(), {}),
              R"(CRITICAL  named (pid 812) reads its UDP socket on port 53 too slowly: 1,312
          packets were lost in 10 s.
  Because   The socket's receive buffer was full 1,312 times.
            net.core.rmem_max limits the buffer to 208 KiB.
  Evidence  The lost packets of pid 812 by sender.
              source        comm       packets
              192.0.2.7     a\x1b[2Jb    1,300
              198.51.100.1  -               12
  Impact    named misses 131 packets each second; their senders wait for an
            answer and ask again.
  Try       sysctl -w net.core.rmem_max=8388608    # now 208 KiB
            Give named more processor time, or let several threads read.
  Check     waggle why drops --for 10s
  About     socket UDP port 53: 212992
  Who       pid 812, comm named
  Sure      Confidence is high.

WARNING  Short.
  Cause     udp_receiver_too_slow: UDP port 53
  Because   It follows.
  Impact    named misses 131 packets each second; their senders wait for an
            answer and ask again.
  Try       sysctl -w net.core.rmem_max=8388608    # now 208 KiB
            Give named more processor time, or let several threads read.
  Check     waggle why drops --for 10s
  About     socket UDP port 53: 212992
  Who       pid 812, comm named
  Sure      Confidence is high.

Watched 10 s: 1,352 rows seen (packet_drop 1,312, block_io 40), 7 lost.
Lost: packet_drop 7 (ring full).
3 older rows had left the memory before the answer.
Not watched: Errors of requests are not seen.
Note: Firewall rules could not be read: nft is not installed.
)");
}

TEST(Terminal, the_short_form_has_what_why_and_the_first_command_in_twelve_lines) {
    const std::string text = render_finding_briefly(example_answer().findings[0], {});
    EXPECT_LE(std::ranges::count(text, '\n'), 12);
    EXPECT_THAT(text, HasSubstr("CRITICAL  named (pid 812) reads its UDP socket on port 53 too slowly"));
    EXPECT_THAT(text, HasSubstr("The socket's receive buffer was full"));
    EXPECT_THAT(text, HasSubstr("sysctl -w net.core.rmem_max=8388608"));
    EXPECT_THAT(text, Not(HasSubstr("more processor time")));
    EXPECT_THAT(text, Not(HasSubstr("192.0.2.7")));
}

TEST(Terminal, what_fits_on_the_screen_is_told_whole) {
    EXPECT_EQ(render_answer_to_fit(example_answer(), {.height = 100}), render_answer(example_answer(), {}));
}

TEST(Terminal, however_many_findings_the_first_stays_on_the_screen_and_the_rest_is_counted) {
    explain::Answer answer = example_answer();
    answer.problems.clear();
    for (int i = 0; i < 30; ++i) answer.findings.push_back(answer.findings[1]);
    const std::string text = render_answer_to_fit(answer, {.height = 24});
    EXPECT_LE(std::ranges::count(text, '\n'), 23);
    EXPECT_TRUE(text.starts_with("CRITICAL  named (pid 812) reads")) << text;
    EXPECT_THAT(text, HasSubstr("sysctl -w net.core.rmem_max=8388608"));
    EXPECT_THAT(text, HasSubstr("WARNING  Short."));
    EXPECT_THAT(text, HasSubstr("findings more are not shown here"));
    EXPECT_THAT(text, HasSubstr("--long"));
}

TEST(Terminal, no_cause_is_said_with_what_was_watched) {
    explain::Answer answer = example_answer();
    answer.findings.clear();
    answer.problems.clear();
    answer.coverage.resize(1);
    answer.coverage[0] = {"packet_drop", 12, {{"ring full", 0}}, 0, {}};
    EXPECT_EQ(render_answer(answer, {}),
              "No cause found.\nWatched 10 s: 12 rows seen (packet_drop 12), none lost.\n");
    answer.coverage[0].lost.clear();
    EXPECT_THAT(render_answer(answer, {}), HasSubstr("how many were lost is not known"));
    answer.coverage.clear();
    answer.source = "a\x1b.waggle";
    EXPECT_EQ(render_answer(answer, {}),
              "Replay of a\\x1b.waggle.\n\nNo cause found.\nWatched 10 s: no row seen, none lost.\n");
}

TEST(Terminal, colour_adds_nothing_but_colour) {
    const TerminalStyle colour{.color = true};
    const std::string painted = render_answer(example_answer(), colour);
    EXPECT_THAT(painted, HasSubstr("\x1b[1;31mCRITICAL\x1b[0m"));
    EXPECT_EQ(without_escapes(painted), render_answer(example_answer(), {}));
    EXPECT_EQ(render_answer(example_answer(), {}).find('\x1b'), std::string::npos);
}

TEST(Terminal, keeps_to_the_width_except_for_commands) {
    for (const std::size_t width : {40u, 60u, 120u}) {
        const std::string text = render_answer(example_answer(), {.width = width});
        for (const std::string_view line : split(text, '\n'))
            if (line.find("sysctl") == std::string_view::npos) {
                EXPECT_LE(display_width(line), width) << line;
            }
    }
}

TEST(Terminal, a_comment_too_long_stands_before_its_command) {
    explain::Finding finding = example_answer().findings[0];
    finding.try_ = {
        "sysctl -w net.core.rmem_max=8388608    # the limit is now 208 KiB and this makes it 8 MiB"};
    EXPECT_THAT(render_finding(finding, {}),
                HasSubstr("  Try       # the limit is now 208 KiB and this makes it 8 MiB\n"
                          "            sysctl -w net.core.rmem_max=8388608\n"));
    finding.try_ = {"named must read faster.", "ls ."};
    EXPECT_THAT(render_finding(finding, {.color = true}),
                HasSubstr("named must read faster.\n            \x1b[32mls .\x1b[0m\n"));
    finding.try_ = {"Start it (by hand).", "nft list ruleset"};
    EXPECT_THAT(render_finding(finding, {.color = true}),
                HasSubstr("Start it (by hand).\n            \x1b[32mnft list ruleset\x1b[0m\n"));
}

TEST(Terminal, shows_the_query_when_asked) {
    EXPECT_THAT(
        render_finding(example_answer().findings[0], {.show_query = true}),
        HasSubstr(
            "            Query:\n            SELECT source, comm, packets FROM drops WHERE pid = 812\n"));
    EXPECT_THAT(render_finding(example_answer().findings[0], {}), Not(HasSubstr("SELECT")));
}

TEST(Terminal, says_when_evidence_has_more_rows) {
    explain::Finding finding = example_answer().findings[0];
    finding.evidence[0].rows.cut = true;
    EXPECT_THAT(render_finding(finding, {}), HasSubstr("            Only the first 2 rows are shown.\n"));
}

TEST(Terminal, explains_a_word) {
    explain::Explanation entry;
    entry.word = "NO_SOCKET";
    entry.title = "drop reason";
    entry.number = 3;
    entry.what = "A packet came for a port on which nobody listens.";
    entry.because = {"The service is stopped."};
    entry.impact = "The sender gets no answer.";
    entry.try_ = {"ss -ltnup    # who listens"};
    entry.since = "5.17";
    EXPECT_EQ(render_explanation(entry, {}), R"(NO_SOCKET  drop reason 3
  A packet came for a port on which nobody listens.

  Because   The service is stopped.
  Impact    The sender gets no answer.
            There since Linux 5.17.
  Try       ss -ltnup    # who listens
)");
    entry.loss = false;
    EXPECT_THAT(render_explanation(entry, {}), HasSubstr("  This is no loss.\n"));
}

TEST(Terminal, prints_results_by_the_units_of_their_names) {
    explain::ResultSet result;
    for (const std::string_view name : {"comm", "pid", "wait_ns", "read_bytes", "packets", "cookie", "hist"})
        result.columns.push_back({std::string(name), explain::unit_of_name(name)});
    std::string slots(16, '\0');
    slots[0] = 5;
    result.rows = {{cell("a\nb"), cell(std::int64_t{70000}), cell(std::int64_t{1500}),
                    cell(std::int64_t{4096}), cell(std::int64_t{9007199254740993}),
                    cell("18446744073709551615"), cell(slots, Value::Kind::blob)}};
    EXPECT_THAT(render_result(result, {.width = 120}), StartsWith("comm      pid  wait_ns  read_bytes"));
    const std::string text = render_result(result, {.width = 120});
    for (const std::string_view part : {"a\\x0ab", " 70000 ", "1.5 us", "9,007,199,254,740,993", "5 values"})
        EXPECT_THAT(text, HasSubstr(std::string(part)));
    EXPECT_EQ(render_result({}, {}), "No rows.\n");
    result.cut = true;
    EXPECT_THAT(render_result(result, {}), EndsWith("There are more rows.\n"));
}

TEST(Terminal, draws_a_distribution) {
    std::vector<std::uint64_t> slots(64);
    slots[10] = 50;
    slots[11] = 25;
    slots[13] = 1;
    const auto drawn = [](const explain::Histogram& histogram, HistogramLines lines = {}) {
        return render_histogram("device_ns", "How long the device took.", Unit::nanoseconds, histogram, lines,
                                {.width = 60});
    };
    EXPECT_EQ(drawn({HistogramForm{}, slots}),
              "device_ns: How long the device took.\n"
              "  from      to  count\n"
              "1.0 us  2.0 us     50  #####################################\n"
              "2.0 us  4.1 us     25  ###################\n"
              "4.1 us  8.2 us      0\n"
              "8.2 us   16 us      1  #\n"
              "76 values: half are at most 2.0 us, 95 % at most 4.1 us,\n"
              "99 % at most 16 us, all at most 16 us.\n");
    EXPECT_EQ(render_histogram("x", "", Unit::none, {}, {}, {}), "x: no values.\n");
    EXPECT_THAT(
        render_histogram("x", "y", Unit::bytes, {HistogramForm{}, std::vector<std::uint64_t>(64, 3)}, {}, {}),
        StartsWith("x: y\n"));
    const HistogramForm form = HistogramForm::log_linear(4, 36);
    std::vector<std::uint64_t> fine(form.slots());
    fine[form.slot_of(1100)] = 30;
    fine[form.slot_of(1900)] = 15;
    EXPECT_EQ(drawn({form, fine}, {.steps = 4}),
              "device_ns: How long the device took.\n"
              "  from      to  count\n"
              "1.0 us  1.3 us     30  #####################################\n"
              "1.3 us  1.8 us      0\n"
              "1.8 us  2.0 us     15  ###################\n"
              "45 values: half are at most 1.1 us, 95 % at most 1.9 us,\n"
              "99 % at most 1.9 us; the largest is 1.9 us. Each figure is\n"
              "right within 3.2 %, or within 8 ns where that is more.\n");
    EXPECT_THAT(drawn({form, fine}, {.linear = true}), HasSubstr("1,856 ns  1,919 ns     15  ###"));
    std::vector<std::uint64_t> single(form.slots());
    single[form.slot_of(1100)] = 1;
    EXPECT_THAT(drawn({form, single}), EndsWith("1 value: 1.1 us.\n"));
    fine.back() = 2;
    EXPECT_THAT(drawn({form, fine}), HasSubstr("and more      2  ##"));
    EXPECT_THAT(drawn({form, fine}), HasSubstr("2 are 69 s or more"));
}

}  // namespace
}  // namespace waggle::sinks
