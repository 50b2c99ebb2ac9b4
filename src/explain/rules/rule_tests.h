// SPDX-License-Identifier: Apache-2.0
// Table tests of rules: rules/NAME.test.yaml holds small tables as text and what the rule must find in them.
// They run in milliseconds, on any machine and without root, since no sensor and no fact is behind the
// tables. docs/rules.md tells the form.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "explain/rules.h"
#include "query/given_table.h"
#include "waggle/result.h"

namespace waggle::explain {

struct RuleTestCase {
    std::string name;
    bool fires = false;  // it wants a finding
};

// The tests of one rule.
struct RuleTestReport {
    std::string rule;  // empty where the file belongs to no rule
    std::string file;
    bool users = false;
    std::vector<RuleTestCase> cases;
    std::vector<std::string> faults;  // file:line:column: reason; empty where all hold
};

class RuleTester {
  public:
    // A book of the files' rules over these tables. `add_functions` gives SQL what it needs
    // besides. Tables and files outlive the tester.
    static Result<std::unique_ptr<RuleTester>> create(std::span<const GivenTable> tables,
                                                      std::span<const RuleFile> files,
                                                      const std::function<Result<void>(Sql&)>& add_functions,
                                                      std::string_view language = "en");
    ~RuleTester();

    const RuleBook& book() const;
    // Runs every file of tests, in file order.
    std::vector<RuleTestReport> run();

  private:
    struct State;
    explicit RuleTester(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace waggle::explain
