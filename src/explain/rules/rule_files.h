// SPDX-License-Identifier: Apache-2.0
// The files that rules are made of, and what each of them is by its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace waggle::explain {

// One file. Both texts outlive what is read from them.
struct RuleFile {
    std::string_view path;
    std::string_view text;
    bool users = false;  // from /etc/waggle, not from this build
};

// The same with texts of its own.
struct OwnedRuleFile {
    std::string path;
    std::string text;
};

enum class RuleFileKind : std::uint8_t {
    rules,   // rules/NAME.yaml, rules.d/*.yaml
    views,   // views.yaml, views.d/*.yaml
    lists,   // lists.yaml, lists.d/*.yaml
    limits,  // limits.d/*.yaml
    words,   // words.LANGUAGE.yaml, words.d/NAME.LANGUAGE.yaml
    tests,   // rules/NAME.test.yaml
};

RuleFileKind kind_of_rule_file(std::string_view path);
// "en" of words.en.yaml; empty where the name has none.
std::string language_of_words(std::string_view path);
// rules/x.test.yaml of rules/x.yaml.
std::string test_file_of(std::string_view path);
// The folder a file lies in; of a room's rules the room: "sensors/process". Words and lists belong to it.
std::string_view room_of_rule_file(std::string_view path);

}  // namespace waggle::explain
