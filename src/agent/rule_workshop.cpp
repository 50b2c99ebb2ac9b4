// SPDX-License-Identifier: Apache-2.0
#include "agent/rule_workshop.h"

#include <algorithm>
#include <optional>

#include "agent/drops/drop_causes.h"
#include "agent/sources.h"
#include "facts/fact.h"
#include "store/fact_table.h"
#include "store/socket_functions.h"

namespace waggle::agent {

struct RuleWorkshop::State {
    std::string first_language;
    std::vector<std::string> unreadable;
    std::vector<explain::OwnedRuleFile> users;
    std::vector<explain::RuleFile> files;
    SocketFunctions functions;
    std::unique_ptr<explain::RuleTester> tester;
    std::optional<std::vector<explain::RuleTestReport>> reports;  // once they were asked for

    Result<std::unique_ptr<explain::RuleTester>> make_tester(std::string_view language) {
        return explain::RuleTester::create(
            all_tables(), files, [this](explain::Sql& sql) { return functions.add_to(sql); }, language);
    }
};

std::vector<explain::GivenTable> all_tables() {
    std::vector<explain::GivenTable> tables;
    for (const std::vector<const Schema*>& schemas : {row_schemas(), drop_schemas()})
        for (const Schema* schema : schemas) tables.push_back(explain::given_table_of(*schema));
    for (std::unique_ptr<facts::Fact>& fact : facts::all_facts())
        tables.push_back(explain::given_table_of(FactTable(std::move(fact)).schema()));
    return tables;
}

RuleWorkshop::RuleWorkshop(std::unique_ptr<State> state) : state_(std::move(state)) {}
RuleWorkshop::~RuleWorkshop() = default;

Result<std::unique_ptr<RuleWorkshop>> RuleWorkshop::open(const std::string& user_folder,
                                                         std::string_view language) {
    auto state = std::make_unique<State>();
    state->first_language = language;
    state->users = read_user_rules(user_folder, state->unreadable);
    state->files = rule_files(state->users);
    Result<std::unique_ptr<explain::RuleTester>> tester = state->make_tester(language);
    if (!tester) return tester.error();
    state->tester = std::move(*tester);
    return std::unique_ptr<RuleWorkshop>(new RuleWorkshop(std::move(state)));
}

const explain::RuleBook& RuleWorkshop::book() const { return state_->tester->book(); }
const std::vector<explain::RuleTestReport>& RuleWorkshop::reports() const {
    if (!state_->reports) state_->reports = state_->tester->run();
    return *state_->reports;
}

std::vector<std::string> RuleWorkshop::complaints() const {
    std::vector<std::string> out = state_->unreadable;
    for (const std::string& each : explain::complaints_of(book(), state_->files, reports()))
        out.push_back(each);
    const auto add = [&](const std::string& each) {
        if (std::find(out.begin(), out.end(), each) == out.end()) out.push_back(each);
    };
    for (const std::string& other : book().languages()) {
        if (other == state_->first_language) continue;
        const Result<std::unique_ptr<explain::RuleTester>> made = state_->make_tester(other);
        if (!made)
            add(made.error().message);
        else
            std::ranges::for_each((*made)->book().problems(), add);
    }
    return out;
}

std::vector<explain::RulePage> RuleWorkshop::pages() const { return explain::rule_pages(book(), reports()); }

}  // namespace waggle::agent
