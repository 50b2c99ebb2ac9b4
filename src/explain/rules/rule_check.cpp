// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_check.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "explain/rules/rule.h"
#include "explain/rules/rule_reader.h"
#include "query/sql_text.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_words_in_a_rule = 5;
// How columns end whose value is a command or a path.
constexpr std::array<std::string_view, 5> pasted_endings = {"command", "arguments", "file", "path", "exe"};

bool has_letter(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; });
}

// 'a program could not be executed' in SQL: words that belong into a file of words.
bool is_sentence(std::string_view literal) {
    std::size_t words = 0;
    for (const std::string_view word : split(literal.substr(1, literal.size() - 2), ' '))
        if (word.size() > 1 && has_letter(word)) ++words;
    return words >= 3;
}

class Checker {
  public:
    Checker(const RuleBook& book, std::span<const RuleFile> files, std::span<const RuleTestReport> reports)
        : book_(book), files_(files), reports_(reports) {}

    std::vector<std::string> check() {
        out_ = book_.problems();
        for (const RuleTestReport& report : reports_)
            out_.insert(out_.end(), report.faults.begin(), report.faults.end());
        for (const Rule& rule : book_.rules()) {
            used_lists_.insert(rule.lists.begin(), rule.lists.end());
            used_views_.insert(rule.entry.views.begin(), rule.entry.views.end());
            check_rule(rule);
        }
        for (const RuleBook::View& view : book_.views()) check_view(view);
        for (const RuleBook::List& list : book_.lists())
            if (!used_lists_.contains(list.name))
                complain(list.file, {list.line, 1},
                         fmt::format("list {} is used by no rule and no view", list.name));
        for (const RuleBook::View& view : book_.views())
            if (!used_views_.contains(view.name))
                complain(view.file, {view.line, 3},
                         fmt::format("view {} is read by no rule and no view", view.name));
        for (const RuleBook::SentencePart& part : book_.parts()) check_part(part);
        for (const RuleFile& file : files_)
            if (!file.users) check_words_file(file);
        for (std::string& lacking : book_.words_lacking()) out_.push_back(std::move(lacking));
        return std::move(out_);
    }

  private:
    const RuleBook& book_;
    std::span<const RuleFile> files_;
    std::span<const RuleTestReport> reports_;
    std::set<std::string> used_lists_;
    std::set<std::string> used_views_;
    std::vector<std::string> out_;

    void complain(std::string_view file, Position at, std::string_view reason) {
        out_.push_back(YamlText(file, {}).error(at, reason).message);
    }

    void check_rule(const Rule& rule) {
        for (const RuleLimit& limit : rule.limits)
            if (!limit.used)
                complain(rule.file, limit.at,
                         fmt::format("limit {} is used nowhere in the rule", limit.name));
        if (rule.users) return;
        count_tests(rule);
        const auto lines =
            static_cast<std::size_t>(std::count(rule.written_when.begin(), rule.written_when.end(), '\n')) +
            1;
        if (lines > most_when_lines)
            complain(rule.file, rule.at,
                     fmt::format("`when` has {} lines; {} are allowed: move what it prepares into a view",
                                 lines, most_when_lines));
        check_sql(rule.file, rule.at, rule.written_when);
        for (const RuleEvidence& evidence : rule.evidence) check_sql(rule.file, rule.at, evidence.query);
        if (rule.asks.empty())
            complain(rule.file, rule.at,
                     fmt::format("rule {} has no words `asks`: the question in one sentence", rule.entry.id));
        for (const auto* entries : {&rule.try_, &rule.check})
            for (const std::vector<RuleAdvice>& alternatives : *entries) check_alternatives(alternatives);
    }

    // A command that every row can give takes the place of those behind it also where its reason is not known.
    void check_alternatives(const std::vector<RuleAdvice>& alternatives) {
        if (alternatives.size() < 2) return;
        for (const RuleAdvice& advice : alternatives)
            if (advice.why && advice.why->needs_a_value() && !advice.text.needs_a_value())
                complain(advice.file, advice.at,
                         "this `do` names no value, so of these alternatives it would be given even when its "
                         "`why` cannot be said; put the value into [ ] or into the command");
    }

    void count_tests(const Rule& rule) {
        std::size_t firing = 0, silent = 0;
        for (const RuleTestReport& report : reports_)
            if (report.rule == rule.entry.id)
                for (const RuleTestCase& test : report.cases) ++(test.fires ? firing : silent);
        if (firing < least_firing_tests || silent < least_silent_tests)
            complain(rule.file, rule.at,
                     fmt::format(
                         "{} has {} tests that fire and {} that stay silent; at least {} and {} are needed",
                         test_file_of(rule.file), firing, silent, least_firing_tests, least_silent_tests));
    }

    void check_view(const RuleBook::View& view) {
        used_lists_.insert(view.lists.begin(), view.lists.end());
        used_views_.insert(view.reads.begin(), view.reads.end());
        if (view.users) return;
        check_sql(view.file, {view.line, 3}, view.query);
        for (const RuleBook::ViewColumn& column : view.columns)
            if (column.meaning.empty())
                complain(view.file, {view.line, 3},
                         fmt::format("column {} of view {} has no meaning; say it in `columns`", column.name,
                                     view.name));
    }

    void check_sql(std::string_view file, Position at, std::string_view sql) {
        const std::vector<SqlToken> tokens = sql_tokens(sql);
        std::size_t in_a_row = 0;
        for (const SqlToken& token : tokens) {
            const bool literal = token.text.size() > 1 && token.text.front() == '\'';
            if (literal && is_sentence(token.text))
                complain(file, at,
                         fmt::format("SQL holds words: {}; they stand in words.en.yaml",
                                     escape_control(token.text)));
            if (literal && token.text.find("nsenter") != std::string_view::npos)
                complain(file, at, "SQL holds nsenter; write `run_in: netns` at the command");
            if (literal)
                ++in_a_row;
            else if (token.text != ",")
                in_a_row = 0;
            if (in_a_row == most_words_in_a_rule + 1)
                complain(
                    file, at,
                    fmt::format("SQL holds a list of words that begins before {}; it stands in lists.yaml",
                                escape_control(token.text)));
        }
    }

    void check_part(const RuleBook::SentencePart& part) {
        const std::string said = fmt::format("{{>{}}}", part.name);
        if (std::none_of(files_.begin(), files_.end(), [&](const RuleFile& file) {
                return kind_of_rule_file(file.path) == RuleFileKind::words &&
                       file.text.find(said) != std::string_view::npos;
            }))
            complain(part.file, {part.line, 3}, fmt::format("part {} is said by no rule", part.name));
    }

    void check_words_file(const RuleFile& file) {
        if (kind_of_rule_file(file.path) != RuleFileKind::words) return;
        if (const std::size_t at = file.text.find("nsenter"); at != std::string_view::npos)
            complain(file.path, position_of(file.text, at),
                     "write `run_in: netns` at the command instead of nsenter");
        check_marks(file);
    }

    // "cat /nope/a." is another command than "cat /nope/a": a sentence's mark does not follow what is pasted.
    void check_marks(const RuleFile& file) {
        for (std::size_t close = file.text.find('}'); close != std::string_view::npos;
             close = file.text.find('}', close + 1)) {
            if (close + 1 == file.text.size() ||
                std::string_view(".,;:").find(file.text[close + 1]) == std::string_view::npos)
                continue;
            const std::size_t open = file.text.rfind('{', close);
            if (open == std::string_view::npos) continue;
            const std::string_view name = file.text.substr(open + 1, close - open - 1);
            if (std::ranges::any_of(pasted_endings,
                                    [&](std::string_view ending) { return name.ends_with(ending); }))
                complain(file.path, position_of(file.text, open),
                         fmt::format("`{}` directly behind {{{}}} is pasted with it; write it elsewhere",
                                     file.text[close + 1], escape_control(name)));
        }
    }

    static Position position_of(std::string_view text, std::size_t at) {
        const std::string_view before = text.substr(0, at);
        const auto line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
        const std::size_t begin = before.rfind('\n');
        return {line, at - (begin == std::string_view::npos ? 0 : begin + 1) + 1};
    }
};

}  // namespace

std::vector<std::string> complaints_of(const RuleBook& book, std::span<const RuleFile> files,
                                       std::span<const RuleTestReport> reports) {
    return Checker(book, files, reports).check();
}

}  // namespace waggle::explain
