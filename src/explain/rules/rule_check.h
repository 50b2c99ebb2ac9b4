// SPDX-License-Identifier: Apache-2.0
// What `waggle doc check` asks of rules beyond that they can be read.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "explain/rules.h"
#include "explain/rules/rule_tests.h"

namespace waggle::explain {

inline constexpr std::size_t most_when_lines = 25;
inline constexpr std::size_t least_firing_tests = 1;
inline constexpr std::size_t least_silent_tests = 2;

// What is wrong, each as "file:line:column: reason". Of all files: what could not be read, tests that do not
// hold, limits, lists and views that nothing uses. Of this build's rules also: too few tests, words that a
// language lacks, a `when` of more than 25 lines, sentences, lists of words and nsenter in SQL or words, views
// whose columns have no meaning, and alternatives of advice of which one is always given though its `why` cannot
// always be said.
std::vector<std::string> complaints_of(const RuleBook& book, std::span<const RuleFile> files,
                                       std::span<const RuleTestReport> reports);

}  // namespace waggle::explain
