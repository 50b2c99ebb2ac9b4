// SPDX-License-Identifier: Apache-2.0
// The rules with every table they can name and nothing in them: where rules are tested, checked and
// described, without a sensor, a fact or root.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/rule_book.h"
#include "explain/rules/rule_check.h"
#include "explain/rules/rule_pages.h"
#include "explain/rules/rule_tests.h"

namespace waggle::agent {

// The schemas of all tables but `window`, as rules see them.
std::vector<explain::GivenTable> all_tables();

class RuleWorkshop {
  public:
    // With the user's files below `user_folder`; "" for those of this build alone.
    static Result<std::unique_ptr<RuleWorkshop>> open(const std::string& user_folder = {},
                                                      std::string_view language = "en");
    ~RuleWorkshop();

    const explain::RuleBook& book() const;
    // Of every table test; they run when they are first asked for, here or below.
    const std::vector<explain::RuleTestReport>& reports() const;
    // What is wrong: see explain/rules/rule_check.h. Words are checked in every language there is.
    std::vector<std::string> complaints() const;
    std::vector<explain::RulePage> pages() const;

  private:
    struct State;
    explicit RuleWorkshop(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle::agent
