// SPDX-License-Identifier: Apache-2.0
// A page of documentation for each rule, made of the rule itself, its words and its tests.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "explain/rules.h"
#include "explain/rules/rule_tests.h"

namespace waggle::explain {

struct RulePage {
    std::string name;  // of the file: "process_restart_loop.md"
    std::string text;
};

// In the order of the rules, the list of them (README.md) first.
std::vector<RulePage> rule_pages(const RuleBook& book, std::span<const RuleTestReport> reports);

}  // namespace waggle::explain
