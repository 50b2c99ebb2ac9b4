// SPDX-License-Identifier: Apache-2.0
#include "render/layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle::sinks {
namespace {

using ::testing::ElementsAre;

TEST(Layout, counts_characters_and_not_bytes) {
    EXPECT_EQ(display_width("b\xc3\xa4r"), 3u);
    EXPECT_EQ(pad_left("\xc3\xa4", 3), "  \xc3\xa4");
    EXPECT_EQ(pad_right("abc", 2), "abc");
}

TEST(Layout, marks_what_it_cuts) {
    EXPECT_EQ(cut_text("abcdef", 6), "abcdef");
    EXPECT_EQ(cut_text("abcdefg", 6), "abcd..");
    EXPECT_EQ(cut_text("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 3), "\xc3\xa4..");
    EXPECT_EQ(cut_text("abc", 1), ".");
}

TEST(Layout, wraps_at_blanks_and_leaves_long_words_whole) {
    EXPECT_THAT(wrap("one two  three", 7), ElementsAre("one two", "three"));
    EXPECT_THAT(wrap("a /a/very/long/path b", 6), ElementsAre("a", "/a/very/long/path", "b"));
    EXPECT_THAT(wrap("", 5), ElementsAre(""));
}

TEST(Layout, aligns_columns_and_cuts_only_texts) {
    const Columns columns{{"name", "n"}, {false, true}, {{"a-rather-long-name", "12345"}, {"b", "1"}}};
    EXPECT_EQ(lay_out(columns, 1, 80, false),
              " name                    n\n"
              " a-rather-long-name  12345\n"
              " b                       1\n");
    EXPECT_EQ(lay_out(columns, 0, 19, false),
              "name              n\n"
              "a-rather-l..  12345\n"
              "b                 1\n");
}

TEST(Layout, a_table_too_wide_for_its_numbers_stands_upright) {
    const Columns columns{{"first", "second"}, {true, true}, {{"1234567890", "12345678901"}, {"1", "2"}}};
    EXPECT_EQ(lay_out(columns, 1, 20, false),
              " first   1234567890\n"
              " second  12345678901\n"
              "\n"
              " first   1\n"
              " second  2\n");
}

TEST(Layout, an_address_is_never_cut) {
    const Columns columns{
        {"source", "what"}, {false, false}, {{"2001:db8:5c7::2c", "a long text beside it"}}};
    EXPECT_EQ(lay_out(columns, 0, 28, false),
              "source            what\n"
              "2001:db8:5c7::2c  a long t..\n");
    EXPECT_EQ(lay_out(columns, 0, 24, false),
              "source  2001:db8:5c7::2c\n"
              "what    a long text beside\n"
              "        it\n");
    const Columns network{
        {"network", "what"}, {false, false}, {{"2001:db8:5c7::/64", "a long text beside it"}}};
    EXPECT_EQ(lay_out(network, 0, 29, false),
              "network            what\n"
              "2001:db8:5c7::/64  a long t..\n");
    const Columns named{
        {"source", "what"}, {false, false}, {{"printer.example.com", "a long text beside it"}}};
    EXPECT_EQ(lay_out(named, 0, 24, false),
              "source       what\n"
              "printer.e..  a long te..\n");
}

TEST(Layout, paints_only_where_colour_is_wanted) {
    EXPECT_EQ(paint("x", Paint::red, false), "x");
    EXPECT_EQ(paint("x", Paint::red, true), "\x1b[1;31mx\x1b[0m");
    EXPECT_EQ(paint("x", Paint::plain, true), "x");
    EXPECT_EQ(paint("", Paint::bold, true), "");
}

}  // namespace
}  // namespace waggle::sinks
