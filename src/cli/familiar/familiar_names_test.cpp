// SPDX-License-Identifier: Apache-2.0
#include "cli/familiar/familiar_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/sources.h"
#include "base/text.h"
#include "model/columns.h"

namespace waggle::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(FamiliarNames, each_leads_to_what_is_there) {
    for (const FamiliarName& each : familiar_names()) {
        SCOPED_TRACE(each.name);
        const std::vector<std::string_view> words = split(each.command, ' ');
        ASSERT_GE(words.size(), 2u);
        if (words[0] == "bpf") continue;  // its second word is none of a sensor
        const Source* source = agent::source_named(words[1]);
        const bool is_table = !source;
        if (is_table) source = agent::source_of_table(words[1]);
        ASSERT_NE(source, nullptr);
        EXPECT_FALSE(words[0] == "top" && source->top_query.empty());
        if (words.size() < 4) continue;
        if (words[2] != "--fields") {
            EXPECT_NE(agent::option_named(words[2].substr(2)), nullptr);
            continue;
        }
        std::vector<std::string_view> known;
        for (const Schema* schema : source->schemas)
            if (!is_table || schema->name == words[1])
                for (const Column& column : columns_of(*schema)) known.push_back(column.name);
        for (const std::string_view field : split(words[3], ','))
            EXPECT_THAT(known, testing::Contains(field));
    }
}

TEST(FamiliarNames, the_flags_that_known_tools_share_become_ours) {
    Words words{"biotop", "-p", "7", "-j", "2", "1", "--rows", "5"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_THAT(words,
                ElementsAre("top", "block_io", "--pid", "7", "--output=json", "--for", "2s", "--rows", "5"));
    words = {"execsnoop", "-n", "7zip"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_EQ(words[words.size() - 2], "--comm");
    EXPECT_EQ(words.back(), "7zip");
}

TEST(FamiliarNames, other_words_stay_as_they_are) {
    for (const Words& given : {Words{}, Words{"why"}, Words{"what", "execsnoop"}, Words{"--help"}}) {
        Words words = given;
        const auto found = make_ours(words);
        ASSERT_TRUE(found);
        EXPECT_EQ(*found, nullptr);
        EXPECT_EQ(words, given);
    }
}

TEST(FamiliarNames, several_intervals_are_refused_with_what_there_is_instead) {
    Words words{"biolatency", "10", "5"};
    const auto found = make_ours(words);
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().message, HasSubstr("leave out 5"));
}

}  // namespace
}  // namespace waggle::cli
