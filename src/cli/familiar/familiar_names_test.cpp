// SPDX-License-Identifier: Apache-2.0
#include "cli/familiar/familiar_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "agent/session.h"
#include "agent/sources.h"
#include "base/clock.h"
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
        if (!each.query.empty()) continue;  // the next test asks it
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
        ASSERT_EQ(words.size(), 4u);
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
                ElementsAre("top", "block_io", "--for", "2s", "--pid", "7", "--output=json", "--rows", "5"));
    words = {"execsnoop", "-n", "7zip"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_EQ(words[words.size() - 2], "--comm");
    EXPECT_EQ(words.back(), "7zip");
}

// Each query, as it is and with each of its flags.
TEST(FamiliarNames, each_question_can_be_asked) {
    const SystemClock clock;
    agent::SessionOptions options;
    options.facts_only = true;
    const auto session = agent::Session::start(options, clock);
    ASSERT_TRUE(session) << session.error().message;
    for (const FamiliarName& each : familiar_names()) {
        if (each.query.empty()) continue;
        std::vector<Words> forms = {{std::string(each.name)}};
        for (const FamiliarFlag& flag : each.flags) {
            forms.push_back({std::string(each.name), std::string(flag.theirs)});
            if (flag.condition.find('%') != std::string_view::npos) forms.back().emplace_back("7");
        }
        for (Words words : forms) {
            SCOPED_TRACE(testing::PrintToString(words));
            ASSERT_TRUE(make_ours(words));
            ASSERT_EQ(words[0], "query");
            const auto uses = (*session)->store().sql().check(words[1]);
            EXPECT_TRUE(uses) << words[1] << ": " << uses.error().message;
        }
    }
}

TEST(FamiliarNames, flags_of_a_tool_choose_the_rows) {
    Words words{"ss", "-tlnp"};
    ASSERT_TRUE(make_ours(words));
    ASSERT_EQ(words.size(), 2u);
    EXPECT_THAT(words[1], HasSubstr("AND (protocol = 'tcp') AND (state IN ('LISTEN', 'UNCONNECTED'))"));
    words = {"ss", "-t", "-u", "-j"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_THAT(words[1], HasSubstr("AND (protocol = 'tcp' OR protocol = 'udp') AND (state NOT IN"));
    EXPECT_EQ(words.back(), "--output=json");
    words = {"offcputime", "-p", "42", "3"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_THAT(words[1], HasSubstr("WHERE (pid = 42)"));
    EXPECT_EQ(words[words.size() - 1], "3s");
    words = {"offcputime", "-p", "42 OR 1"};
    EXPECT_FALSE(make_ours(words));
}

TEST(FamiliarNames, a_question_about_rates_takes_as_long_as_is_said_or_as_is_usual) {
    Words words{"nstat"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_THAT(Words(words.begin() + 2, words.end()), ElementsAre("--for", "1s"));
    words = {"nstat", "5"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_THAT(Words(words.begin() + 2, words.end()), ElementsAre("--for", "5s"));
    words = {"nstat", "--for", "2m"};
    ASSERT_TRUE(make_ours(words));
    EXPECT_THAT(Words(words.begin() + 2, words.end()), ElementsAre("--for", "2m"));
}

TEST(FamiliarNames, what_is_not_here_is_told_with_the_nearest_question) {
    Words words{"tcpsynbl"};
    const auto found = make_ours(words);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().kind, ErrorKind::usage);
    EXPECT_THAT(found.error().message, HasSubstr("waggle ss -l"));
    for (const UnansweredName& each : unanswered_names()) {
        EXPECT_TRUE(std::ranges::find(familiar_names(), each.name, &FamiliarName::name) ==
                    familiar_names().end())
            << each.name;
        EXPECT_FALSE(each.instead.ends_with('.')) << each.name;
    }
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
