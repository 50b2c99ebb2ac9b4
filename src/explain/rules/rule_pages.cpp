// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_pages.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>

#include "explain/rules/rule.h"

namespace waggle::explain {
namespace {

std::string cell_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out;
}

std::string page_of(const Rule& rule, const RuleBook& book, const RuleTestReport* report) {
    std::string out = fmt::format("# {}\n\n{}\n\nTopic: {}. Severity: {}. Confidence: {}.\n", rule.entry.id,
                                  rule.asks, rule.entry.topic, rule.severity_words, rule.confidence_words);
    if (!rule.entry.views.empty() || !rule.entry.tables.empty()) {
        out += "\n## What it looks at\n\n";
        for (const RuleBook::View& view : book.views())
            if (std::find(rule.entry.views.begin(), rule.entry.views.end(), view.name) !=
                rule.entry.views.end())
                out += fmt::format("- view `{}`: {}\n", view.name, view.meaning);
        for (const Rule& other : book.rules())
            if (std::find(rule.entry.views.begin(), rule.entry.views.end(), other.entry.id) !=
                rule.entry.views.end())
                out += fmt::format("- rule [{0}]({0}.md): what it finds\n", other.entry.id);
        for (const std::string& table : rule.entry.tables) out += fmt::format("- table `{}`\n", table);
    }
    if (!rule.limits.empty()) {
        out += "\n## Limits\n\n| limit | value | why |\n| --- | --- | --- |\n";
        for (const RuleLimit& limit : rule.limits)
            out += fmt::format("| `{}` | {} | {} |\n", limit.name, limit.as_written, cell_text(limit.means));
        out += fmt::format("\nOther values stand in `/etc/waggle/limits.d/NAME.yaml`: `{}: {{{}: {}}}`.\n",
                           rule.entry.id, rule.limits.front().name, rule.limits.front().as_written);
    }
    std::vector<std::string> lists = rule.lists;
    for (const RuleBook::View& view : book.views())
        if (std::find(rule.entry.views.begin(), rule.entry.views.end(), view.name) != rule.entry.views.end())
            for (const std::string& list : view.lists)
                if (std::find(lists.begin(), lists.end(), list) == lists.end()) lists.push_back(list);
    if (!lists.empty()) {
        out += "\n## Lists\n\n";
        for (const RuleBook::List& list : book.lists())
            if (std::find(lists.begin(), lists.end(), list.name) != lists.end())
                out +=
                    fmt::format("- `{}`: {} `{}`\n", list.name, list.meaning, fmt::join(list.words, "` `"));
    }
    out += fmt::format("\n## The question\n\n```sql\n{}\n```\n", rule.written_when);
    for (const bool fires : {true, false}) {
        if (!report || std::none_of(report->cases.begin(), report->cases.end(),
                                    [&](const RuleTestCase& test) { return test.fires == fires; }))
            continue;
        out += fires ? "\n## What it finds\n\n" : "\n## What keeps it silent\n\n";
        for (const RuleTestCase& test : report->cases)
            if (test.fires == fires) out += fmt::format("- {}\n", test.name);
    }
    out += "\n## Known false positives\n\n";
    if (rule.wrong_when.empty()) out += "None are known.\n";
    for (const std::string& each : rule.wrong_when) out += fmt::format("- {}\n", each);
    return out;
}

}  // namespace

std::vector<RulePage> rule_pages(const RuleBook& book, std::span<const RuleTestReport> reports) {
    std::vector<RulePage> out(1);
    out[0] = {"README.md",
              "# Rules of this build\n\nA page for each, made by `waggle doc rules --write docs/rules`. How "
              "rules are written: `docs/rules.md`.\n\n| rule | topic | asks |\n| --- | --- | --- |\n"};
    for (const Rule& rule : book.rules()) {
        if (rule.users) continue;
        const auto report = std::find_if(reports.begin(), reports.end(), [&](const RuleTestReport& each) {
            return each.rule == rule.entry.id;
        });
        out[0].text += fmt::format("| [{0}]({0}.md) | {1} | {2} |\n", rule.entry.id, rule.entry.topic,
                                   cell_text(rule.asks));
        out.push_back(
            {rule.entry.id + ".md", page_of(rule, book, report == reports.end() ? nullptr : &*report)});
    }
    return out;
}

}  // namespace waggle::explain
