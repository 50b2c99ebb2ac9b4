// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/rules.h"

namespace waggle::agent {

// Where the user's rules, views, lists, limits and words are.
inline constexpr std::string_view user_rule_folder = "/etc/waggle";

// Every *.yaml of rules.d, views.d, lists.d, limits.d and words.d below `folder`, in name order; none where
// `folder` is empty or not there. What cannot be read is named in `problems`.
std::vector<explain::OwnedRuleFile> read_user_rules(const std::string& folder,
                                                    std::vector<std::string>& problems);

// The files of this build and the user's, as RuleBook takes them; views into `users`.
std::vector<explain::RuleFile> rule_files(std::span<const explain::OwnedRuleFile> users);

// The languages that words are written in, by the names of their files: English first.
std::vector<std::string> languages_of(std::span<const explain::RuleFile> files);

// The topics that the rules of these files name, each once, as they stand there.
std::vector<std::string> topics_of(std::span<const explain::RuleFile> files);

// The rules of this build and the user's, checked against `sql`'s tables.
explain::RuleBook load_rule_book(std::span<const explain::OwnedRuleFile> users, explain::Sql& sql,
                                 std::string_view language);

}  // namespace waggle::agent
