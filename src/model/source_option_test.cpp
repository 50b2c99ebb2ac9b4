// SPDX-License-Identifier: Apache-2.0
#include "model/source_option.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace waggle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr SourceOption depth = {"depth", OptionType::count, "N", "How deep.", "8"};
constexpr SourceOption room = {"room", OptionType::size, "SIZE", "How much.", "64k"};
constexpr SourceOption pause = {"pause", OptionType::duration, "TIME", "How long.", "100ms"};
constexpr SourceOption whole = {"whole", OptionType::yes_no, "", "All of it."};
constexpr SourceOption places = {"place", OptionType::list, "PLACE", "Where; several."};
constexpr SourceOption words = {"words", OptionType::text, "TEXT", "What to say."};

TEST(SourceOption, has_its_standard_value_until_it_is_given_one) {
    OptionValues values;
    EXPECT_EQ(values.number(depth), 8u);
    EXPECT_EQ(values.number(room), 65'536u);
    EXPECT_EQ(values.number(pause), 100'000'000u);
    EXPECT_FALSE(values.yes(whole));
    EXPECT_THAT(values.list(places), IsEmpty());
    EXPECT_EQ(values.text(words), "");
    EXPECT_FALSE(values.given(depth));
    for (const auto& [option, text] :
         {std::pair{&depth, "3"}, std::pair{&room, "4M"}, std::pair{&pause, "2m"}, std::pair{&whole, "yes"},
          std::pair{&words, "a b"}})
        ASSERT_TRUE(values.set(*option, text)) << option->name;
    EXPECT_EQ(values.number(depth), 3u);
    EXPECT_EQ(values.number(room), 4u << 20);
    EXPECT_EQ(values.number(pause), 120'000'000'000u);
    EXPECT_TRUE(values.yes(whole));
    EXPECT_EQ(values.text(words), "a b");
    EXPECT_TRUE(values.given(depth));
}

TEST(SourceOption, a_list_grows_and_of_the_others_the_last_counts) {
    OptionValues values;
    for (const char* text : {"one", "two"}) {
        ASSERT_TRUE(values.set(places, text));
        ASSERT_TRUE(values.set(words, text));
    }
    EXPECT_THAT(values.list(places), ElementsAre("one", "two"));
    EXPECT_EQ(values.text(words), "two");
}

TEST(SourceOption, a_value_of_another_type_is_refused_with_what_is_wanted) {
    OptionValues values;
    for (const auto& [option, text, wanted] :
         {std::tuple{&depth, "3x", "--depth: \"3x\" is not a whole number"},
          std::tuple{&depth, "-1", "not a whole number"}, std::tuple{&depth, "", "not a whole number"},
          std::tuple{&room, "4T", "write 4096, 64k, 4M or 1G"},
          std::tuple{&room, "99999999999999999G", "not a size"}, std::tuple{&pause, "soon", "10s"},
          std::tuple{&whole, "perhaps", "neither yes nor no"}}) {
        const auto set = values.set(*option, text);
        ASSERT_FALSE(set) << option->name << " " << text;
        EXPECT_THAT(set.error().message, HasSubstr(wanted));
        EXPECT_EQ(set.error().kind, ErrorKind::usage);
        EXPECT_FALSE(values.given(*option));
    }
}

}  // namespace
}  // namespace waggle
