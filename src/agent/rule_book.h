// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "explain/rules.h"

namespace waggle::agent {

// The rules of this build and every *.yaml of the user's directories (in name order), checked against `sql`'s
// tables. A directory that does not exist holds no rules. `texts` owns what was read and outlives the book.
Result<explain::RuleBook> load_rule_book(std::span<const std::string> directories, explain::Sql& sql,
                                         std::vector<std::string>& texts);

}  // namespace waggle::agent
