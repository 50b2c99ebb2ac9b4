// SPDX-License-Identifier: Apache-2.0
#include "explain/sentence.h"

#include <gtest/gtest.h>

#include "query/testing/tables.h"

namespace waggle::explain {
namespace {

using samples::cell;

const std::vector<std::string> sample_columns = {"packets",       "wait_ns",     "comm",   "pid",
                                                 "share_percent", "limit_bytes", "missing"};
const std::vector<Cell> sample_row = {cell(std::int64_t{1234567}),
                                      cell(std::int64_t{1'500'000}),
                                      cell("ngi\x1bnx"),
                                      cell(std::int64_t{4194304}),
                                      cell(97.4),
                                      cell(std::int64_t{212992}),
                                      Cell{}};

Sentence::Form form_of(Place place) {
    static const std::vector<Unit> units = [] {
        std::vector<Unit> out;
        for (const std::string& column : sample_columns) out.push_back(unit_of_name(column));
        return out;
    }();
    return {place, sample_columns, units, "en", {}, nullptr};
}

std::string say_of_sample(std::string_view text, Place place = Place::words,
                          const std::vector<Cell>& cells = sample_row) {
    if (const auto fault = Sentence::check(text, form_of(place)))
        return std::to_string(fault->offset) + ": " + fault->reason;
    return Sentence::make(text, form_of(place))->say(cells).value_or("(not said)");
}

TEST(Sentence, says_values_in_the_unit_their_name_tells) {
    EXPECT_EQ(say_of_sample("{packets} packets waited {wait_ns} in {comm} ({pid})."),
              "1,234,567 packets waited 1.5 ms in ngi\\x1bnx (4194304).");
    EXPECT_EQ(say_of_sample("{share_percent} of {limit_bytes}"), "97 % of 208 KiB");
}

TEST(Sentence, takes_a_format) {
    EXPECT_EQ(say_of_sample(
                  "{packets:raw} {packets:rate} {limit_bytes:count} {packets:bytes_rate} {packets:duration}"),
              "1234567 1,234,567/s 212,992 1.2 MiB/s 1.2 ms");
}

TEST(Sentence, is_not_said_where_a_value_is_null) {
    EXPECT_EQ(say_of_sample("It is {missing}."), "(not said)");
    const Sentences both = {*Sentence::make("It is {missing}.", form_of(Place::words)),
                            *Sentence::make("It is {pid}.", form_of(Place::words))};
    EXPECT_EQ(say_first(both, sample_row), "It is 4194304.");
    EXPECT_EQ(say_first({}, sample_row), std::nullopt);
}

TEST(Sentence, keeps_braces_that_are_doubled) {
    EXPECT_EQ(say_of_sample("nft add rule inet fw input {{ tcp }}", Place::command),
              "nft add rule inet fw input { tcp }");
}

TEST(Sentence, names_what_is_wrong_and_where) {
    EXPECT_EQ(say_of_sample("The {comn} runs."), "4: `when` has no column comn; did you mean comm");
    EXPECT_EQ(say_of_sample("{wait_ns:durations}"), "0: unknown format durations; did you mean duration");
    EXPECT_EQ(say_of_sample("a { b"), "2: a { without its }; a brace that is meant is written {{");
    EXPECT_EQ(say_of_sample("a } b"), "2: a } without its {; a brace that is meant is written }}");
    EXPECT_EQ(say_of_sample("grep '{comm}' x", Place::command),
              "6: {comm} stands inside quotes; waggle quotes values in commands itself");
    EXPECT_EQ(say_of_sample("grep 'x", Place::command), "6: a quote in this command is not closed");
}

TEST(Sentence, commands_hold_digits_and_quoted_values) {
    EXPECT_EQ(say_of_sample("sysctl -w net.core.rmem_max={limit_bytes}", Place::command),
              "sysctl -w net.core.rmem_max=212992");
    EXPECT_EQ(say_of_sample("kill {pid} {packets}", Place::command), "kill 4194304 1234567");
}

TEST(Sentence, no_value_can_leave_its_word_in_a_command) {
    std::vector<Cell> evil = sample_row;
    evil[2] = cell("x; rm -rf /; '$(id)`id`");
    EXPECT_EQ(say_of_sample("pgrep {comm}", Place::command, evil), "pgrep 'x; rm -rf /; '\\''$(id)`id`'");
    evil[2] = cell("a'\n\x1b[2J\\");
    EXPECT_EQ(say_of_sample("pgrep {comm}", Place::command, evil), "pgrep $'a\\'\\x0a\\x1b[2J\\\\'");
    evil[2] = cell("");
    EXPECT_EQ(say_of_sample("pgrep {comm}", Place::command, evil), "pgrep ''");
    evil[2] = cell("a b");
    EXPECT_EQ(say_of_sample("Stop {comm}.", Place::command, evil), "Stop 'a b'.")
        << "a command, whatever it looks like";
}

TEST(Sentence, large_integers_stay_exact_where_they_identify) {
    std::vector<Cell> large = sample_row;
    large[3] = cell(std::int64_t{9007199254740993});
    EXPECT_EQ(say_of_sample("{pid}", Place::words, large), "9007199254740993");
    EXPECT_EQ(say_of_sample("{pid}", Place::command, large), "9007199254740993");
    EXPECT_EQ(say_of_sample("{pid}", Place::plain, large), "9007199254740993");
}

}  // namespace
}  // namespace waggle::explain
