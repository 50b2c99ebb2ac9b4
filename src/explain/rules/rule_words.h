// SPDX-License-Identifier: Apache-2.0
// How the words of one rule are read; RuleLoader's own.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "explain/rules/rule.h"
#include "explain/yaml_tree.h"

namespace waggle::explain {

// One part of a rule's words, from a file of words: `what`, `because` … `key` is one of word_keys.
inline constexpr std::array<std::string_view, 8> word_keys = {"asks",   "what", "because", "evidence",
                                                              "impact", "try",  "check",   "wrong_when"};
struct WordForm {
    std::string_view language;
    std::span<const std::string_view> kinds;  // of knowledge
    bool has_namespaces = false;              // there is a table network_namespaces, for run_in
    const SentenceParts* parts = nullptr;     // of the words' language
};
Result<void> read_words(const YamlText& file, std::string_view key, const YamlNode& node,
                        const WordForm& form, Rule& rule);

}  // namespace waggle::explain
