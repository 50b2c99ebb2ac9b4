// SPDX-License-Identifier: Apache-2.0
// How one rule is read, without its words; RuleLoader's own.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "explain/measure.h"
#include "explain/rules/rule.h"

namespace waggle::explain {

// A limit as /etc/waggle/limits.d sets it.
struct LimitOverride {
    Measure measure;
    std::string as_written;
    std::string place;  // file:line:column, for a problem
    bool used = false;
};
using LimitOverrides = std::map<std::string, std::map<std::string, LimitOverride, std::less<>>, std::less<>>;
// Adds what a file of limits.d sets; of a file with a fault nothing.
Result<void> read_limit_overrides(const YamlText& file, std::string_view path, const YamlNode& root,
                                  LimitOverrides& out);

// The rule without its words. `lists`: the names of those there are. Overrides that do not fit are named in
// `problems`.
struct RuleContext {
    std::vector<std::string_view> lists;
    LimitOverrides* limits;
    std::vector<std::string>* problems;
};
Result<Rule> read_rule(const YamlText& file, const YamlNode& node, Sql& sql, const RuleContext& context);

}  // namespace waggle::explain
