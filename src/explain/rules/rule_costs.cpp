// SPDX-License-Identifier: Apache-2.0
// What rules cost, what they share of it, and who has to wait.
#include <fmt/core.h>

#include <algorithm>

#include "base/units.h"
#include "explain/rules.h"
#include "explain/rules/rule_book_state.h"

namespace waggle::explain {

// Rules are asked about once a second; what costs less than its share of that is no matter.
constexpr double moment_ns = 1e9;

bool RuleBook::State::reads(std::size_t rule, std::string_view name) const {
    const Entry& entry = rules[rule].entry;
    return std::ranges::find(entry.views, name) != entry.views.end() ||
           std::ranges::find(entry.tables, name) != entry.tables.end();
}

// What rules share is paid for in equal parts by those that read it now.
void RuleBook::State::share_costs(const CostMeter::Costs& spent, std::uint64_t now_ns) {
    for (const auto& [name, spent_ns] : spent) {
        shared[name] = {spent_ns, now_ns};
        std::vector<std::size_t> readers;
        for (const std::size_t rule : asked_now)
            if (reads(rule, name)) readers.push_back(rule);
        for (const std::size_t rule : readers) costs[rule].last_ns += spent_ns / readers.size();
    }
    for (const std::size_t rule : asked_now) {
        Cost& cost = costs[rule];
        cost.longest_ns = std::max(cost.longest_ns, cost.last_ns);
        cost.total_ns += cost.last_ns;
    }
    asked_now.clear();
}

// All that rules share has together what one rule has, in equal parts for what costs more than its moment.
double RuleBook::State::shared_budget() const {
    const auto expensive = std::ranges::count_if(shared, [&](const auto& entry) {
        return static_cast<double>(entry.second.spent_ns) / budget > moment_ns;
    });
    return budget / static_cast<double>(std::max<std::ptrdiff_t>(expensive, 1));
}

std::pair<std::string_view, std::uint64_t> RuleBook::State::waits_for(std::size_t rule,
                                                                      std::uint64_t now_ns) const {
    std::pair<std::string_view, std::uint64_t> longest{"", 0};
    if (budget <= 0) return longest;
    const double share = shared_budget();
    for (const auto& [name, last] : shared) {
        const double pause = static_cast<double>(last.spent_ns) / share;
        const std::uint64_t age = now_ns >= last.at_ns ? now_ns - last.at_ns : UINT64_MAX;
        if (pause <= moment_ns || static_cast<double>(age) >= pause || !reads(rule, name)) continue;
        const auto still = static_cast<std::uint64_t>(pause) - age;
        if (still > longest.second) longest = {name, still};
    }
    return longest;
}

std::uint64_t RuleBook::State::pause_ns(std::size_t rule) const {
    return budget > 0 ? static_cast<std::uint64_t>(static_cast<double>(costs[rule].last_ns) / budget) : 0;
}

std::string RuleBook::State::sleeps(std::size_t rule, std::uint64_t still_ns) const {
    return fmt::format(
        "Rule {} sleeps for {} more: it took {} of processor time, and a rule has {} of the time. What it "
        "found "
        "then still stands.",
        rules[rule].entry.id, format_duration_ns(static_cast<double>(still_ns)),
        format_duration_ns(static_cast<double>(costs[rule].last_ns)), format_percent(100 * budget));
}

std::string RuleBook::State::waits(std::size_t rule, std::string_view name, std::uint64_t still_ns) const {
    return fmt::format(
        "Rule {} waits for {} more: to read {} took {} of processor time, and it has {} of the time. What "
        "the "
        "rule found before still stands.",
        rules[rule].entry.id, format_duration_ns(static_cast<double>(still_ns)), name,
        format_duration_ns(static_cast<double>(shared.find(name)->second.spent_ns)),
        format_percent(100 * shared_budget()));
}

std::span<const Sql::TableColumn> rule_costs_columns() {
    static const std::vector<Sql::TableColumn> columns = {
        {"rule", "The rule.", " TEXT"},
        {"topic", "Its topic.", " TEXT"},
        {"asked", "How often it was asked.", " INTEGER"},
        {"last_ns",
         "Processor time it took the last time, with its part of the views and facts that several rules "
         "read.",
         " INTEGER"},
        {"longest_ns", "Processor time it took at most.", " INTEGER"},
        {"total_ns", "Processor time it took all together.", " INTEGER"},
        {"findings", "How much it found the last time.", " INTEGER"},
        {"pause_ns",
         "How long after that it is not asked again, so that it keeps to its share of the time; 0 where it "
         "has "
         "all it wants.",
         " INTEGER"},
    };
    return columns;
}

void RuleBook::State::tell_costs(Sql& sql) const {
    std::vector<std::vector<Cell>> rows;
    const auto text = [](const std::string& value) {
        Cell cell;
        cell.kind = Value::Kind::text;
        cell.text = value;
        return cell;
    };
    const auto number = [](std::uint64_t value) {
        Cell cell;
        cell.kind = Value::Kind::integer;
        cell.integer = static_cast<std::int64_t>(value);
        return cell;
    };
    for (std::size_t i = 0; i < rules.size(); ++i)
        rows.push_back({text(rules[i].entry.id), text(rules[i].entry.topic), number(costs[i].asked),
                        number(costs[i].last_ns), number(costs[i].longest_ns), number(costs[i].total_ns),
                        number(costs[i].findings), number(pause_ns(i))});
    // It cannot fail: the table was made with these columns when the book was loaded.
    (void)sql.set_rows(rule_costs_table, rows);
}

}  // namespace waggle::explain
