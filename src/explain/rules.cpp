// SPDX-License-Identifier: Apache-2.0
#include "explain/rules.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "explain/cause_order.h"
#include "explain/rule.h"
#include "explain/sql_text.h"

namespace waggle::explain {

struct RuleBook::State {
    std::vector<Rule> rules;
    std::vector<Entry> entries;
    std::vector<std::vector<std::size_t>> causes;  // of each rule: the rules it names in because_of

    Result<void> connect();
    Result<void> refuse_circles() const;
};

namespace {

Error error_at(const Rule& rule, Position at, std::string_view reason) {
    return YamlText(rule.file, {}).error(at, reason);
}

// A row of a rule's `when` together with what it became.
struct Found {
    std::size_t rule;
    std::vector<Cell> row;
    Finding finding;
};

bool same_value(const Cell& a, const Cell& b) {
    return !a.is_null() && !b.is_null() && a.as_text() == b.as_text();
}

class Asker {
  public:
    Asker(Sql& sql, Answer& answer) : sql_(sql), answer_(answer) {}

    void ask(const Rule& rule, std::size_t index, std::vector<Found>& found) {
        const auto rows = sql_.query(rule.when, {}, rule.most_findings);
        if (!rows) return problem(rule, "could not be asked", rows.error().message);
        if (rows->columns.size() != rule.columns.size())
            return problem(rule, "could not be asked", "a table it reads has changed its columns");
        if (rows->cut)
            problem(rule, fmt::format("found more than {}", rule.most_findings), "the first are shown");
        for (const std::vector<Cell>& row : rows->rows)
            if (auto finding = find(rule, row, found)) found.push_back({index, row, std::move(*finding)});
    }

  private:
    Sql& sql_;
    Answer& answer_;

    void problem(const Rule& rule, std::string_view what, std::string_view reason) {
        answer_.problems.push_back(fmt::format("Rule {} {}: {}.", rule.entry.id, what, reason));
    }

    template <class Word>
    Word word(const Rule& rule, std::string_view key, const WordOrColumn<Word>& wanted,
              std::span<const Cell> row, std::optional<Word> (*word_of)(std::string_view)) {
        if (!wanted.column) return wanted.word;
        const std::string text = row[*wanted.column].as_text();
        if (const std::optional<Word> known = word_of(text)) return *known;
        problem(rule, fmt::format("gave no {}", key),
                fmt::format("column {} holds \"{}\"", rule.columns[*wanted.column], escape_control(text)));
        return wanted.word;
    }

    static std::vector<std::string> say_all(const std::vector<Sentences>& sentences,
                                            std::span<const Cell> row) {
        std::vector<std::string> out;
        for (const Sentences& alternatives : sentences)
            if (auto said = say_first(alternatives, row)) out.push_back(std::move(*said));
        return out;
    }

    std::optional<Finding> find(const Rule& rule, std::span<const Cell> row,
                                const std::vector<Found>& before) {
        Finding finding;
        std::optional<std::string> what = say_first(rule.what, row);
        if (!what) {
            problem(rule, "could not say what it found", null_columns(rule, row));
            return std::nullopt;
        }
        finding.what = std::move(*what);
        finding.rule = rule.entry.id;
        finding.severity = word(rule, "severity", rule.severity, row, severity_of);
        finding.confidence = word(rule, "confidence", rule.confidence, row, confidence_of);
        finding.object.kind = rule.object_kind;
        finding.object.name = say_first(rule.object_name, row).value_or("");
        finding.object.value = say_first(rule.object_value, row).value_or("");
        finding.because = say_all(rule.because, row);
        finding.impact = say_first(rule.impact, row).value_or("");
        finding.try_ = say_all(rule.try_, row);
        finding.check = say_all(rule.check, row);
        for (const auto& [key, alternatives] : rule.subject)
            if (auto said = say_first(alternatives, row); said && !said->empty())
                finding.subject.emplace_back(key, std::move(*said));
        finding.id = rule.entry.id;
        if (!finding.object.name.empty()) finding.id += ": " + finding.object.name;
        std::size_t same = 1;
        const std::string id = finding.id;
        const auto taken = [&] {
            return std::any_of(before.begin(), before.end(),
                               [&](const Found& other) { return other.finding.id == finding.id; });
        };
        while (taken()) finding.id = fmt::format("{} ({})", id, ++same);
        gather_evidence(rule, row, finding);
        return finding;
    }

    static std::string null_columns(const Rule& rule, std::span<const Cell> row) {
        std::vector<std::string_view> names;
        for (std::size_t i = 0; i < row.size(); ++i)
            if (row[i].is_null()) names.push_back(rule.columns[i]);
        return fmt::format("each way to say it names a column without a value ({})", fmt::join(names, ", "));
    }

    void gather_evidence(const Rule& rule, std::span<const Cell> row, Finding& finding) {
        std::vector<Sql::Parameter> parameters;
        for (std::size_t i = 0; i < row.size(); ++i) parameters.push_back({rule.columns[i], row[i]});
        for (const RuleEvidence& wanted : rule.evidence) {
            std::optional<std::string> says = say_first(wanted.says, row);
            if (!says) continue;
            auto rows = sql_.query(wanted.query, parameters, wanted.most_rows);
            if (!rows) {
                problem(rule, "could not show its evidence", rows.error().message);
                continue;
            }
            if (rows->rows.empty()) continue;  // a sentence follows from rows or is not said
            auto query = sql_.expand(wanted.query, parameters);
            if (!query) {
                problem(rule, "could not show its evidence", query.error().message);
                continue;
            }
            finding.evidence.push_back({std::move(*says), std::move(*query), std::move(*rows)});
        }
    }
};

}  // namespace

Result<void> RuleBook::State::connect() {
    std::map<std::string_view, std::size_t> by_id;
    std::vector<std::string_view> ids;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const auto [first, fresh] = by_id.emplace(rules[i].entry.id, i);
        if (!fresh)
            return error_at(
                rules[i], rules[i].at,
                fmt::format("rule {} is already there: {}:{}", rules[i].entry.id,
                            escape_control(rules[first->second].file), rules[first->second].at.line));
        ids.push_back(rules[i].entry.id);
    }
    for (const Rule& rule : rules) {
        std::vector<std::size_t>& of_rule = causes.emplace_back();
        for (const RuleCause& cause : rule.because_of) {
            const auto found = by_id.find(cause.rule);
            if (found == by_id.end())
                return error_at(rule, cause.at,
                                fmt::format("`because_of` names no rule: {}{}", cause.rule,
                                            did_you_mean(cause.rule, ids)));
            const std::vector<std::string>& columns = rules[found->second].columns;
            const std::vector<std::string_view> known(columns.begin(), columns.end());
            for (const std::string& column : cause.on)
                if (std::find(columns.begin(), columns.end(), column) == columns.end())
                    return error_at(rule, cause.at,
                                    fmt::format("`when` of rule {} has no column {}{}", cause.rule, column,
                                                did_you_mean(column, known)));
            of_rule.push_back(found->second);
        }
        entries.push_back(rule.entry);
    }
    return refuse_circles();
}

Result<void> RuleBook::State::refuse_circles() const {
    enum class Mark : std::uint8_t { unseen, on_path, done };
    std::vector<Mark> marks(rules.size(), Mark::unseen);
    std::vector<std::pair<std::size_t, std::size_t>> path;  // rule, its next cause
    for (std::size_t start = 0; start < rules.size(); ++start) {
        if (marks[start] != Mark::unseen) continue;
        path.assign(1, {start, 0});
        marks[start] = Mark::on_path;
        while (!path.empty()) {
            auto& [rule, next] = path.back();
            if (next == causes[rule].size()) {
                marks[rule] = Mark::done;
                path.pop_back();
                continue;
            }
            const std::size_t cause = causes[rule][next];
            const Position at = rules[rule].because_of[next].at;
            ++next;
            if (marks[cause] == Mark::on_path) {
                std::string circle;
                bool inside = false;
                for (const auto& [step, unused] : path) {
                    inside = inside || step == cause;
                    if (inside) circle += rules[step].entry.id + " -> ";
                }
                return error_at(
                    rules[rule], at,
                    fmt::format("`because_of` goes in a circle: {}{}", circle, rules[cause].entry.id));
            }
            if (marks[cause] == Mark::unseen) {
                marks[cause] = Mark::on_path;
                path.emplace_back(cause, 0);
            }
        }
    }
    return {};
}

RuleBook::RuleBook(std::unique_ptr<State> state) : state_(std::move(state)) {}
RuleBook::RuleBook(RuleBook&&) noexcept = default;
RuleBook& RuleBook::operator=(RuleBook&&) noexcept = default;
RuleBook::~RuleBook() = default;

Result<RuleBook> RuleBook::load(std::span<const EmbeddedFile> files, Sql& sql) {
    auto state = std::make_unique<State>();
    for (const EmbeddedFile& file : files) {
        auto rules = read_rules(file, sql);
        if (!rules) return rules.error();
        std::move(rules->begin(), rules->end(), std::back_inserter(state->rules));
    }
    if (auto connected = state->connect(); !connected) return connected.error();
    return RuleBook(std::move(state));
}

std::span<const RuleBook::Entry> RuleBook::entries() const { return state_->entries; }

void RuleBook::ask(Sql& sql, std::string_view topic, Answer& answer) const {
    const std::vector<Rule>& rules = state_->rules;
    // A cause may lie in another topic: it is asked too, and told where it explains something of this one.
    std::vector<bool> asked(rules.size());
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < rules.size(); ++i)
        if (topic.empty() || rules[i].entry.topic == topic) waiting.push_back(i);
    while (!waiting.empty()) {
        const std::size_t rule = waiting.back();
        waiting.pop_back();
        if (asked[rule]) continue;
        asked[rule] = true;
        waiting.insert(waiting.end(), state_->causes[rule].begin(), state_->causes[rule].end());
    }
    std::vector<Found> found;
    Asker asker(sql, answer);
    for (std::size_t i = 0; i < rules.size(); ++i)
        if (asked[i]) asker.ask(rules[i], i, found);

    std::vector<CauseLink> links;
    for (const Found& effect : found) {
        CauseLink& link = links.emplace_back();
        link.severity = effect.finding.severity;
        link.confidence = effect.finding.confidence;
        const Rule& rule = rules[effect.rule];
        for (std::size_t c = 0; c < rule.because_of.size() && !link.cause; ++c) {
            const Rule& cause_rule = rules[state_->causes[effect.rule][c]];
            for (std::size_t other = 0; other < found.size() && !link.cause; ++other) {
                if (found[other].rule != state_->causes[effect.rule][c]) continue;
                const auto agrees = [&](const std::string& column) {
                    const auto at = [&](const Rule& of, const Found& row) -> const Cell& {
                        const auto place = std::find(of.columns.begin(), of.columns.end(), column);
                        return row.row[static_cast<std::size_t>(place - of.columns.begin())];
                    };
                    return same_value(at(rule, effect), at(cause_rule, found[other]));
                };
                const std::vector<std::string>& on = rule.because_of[c].on;
                if (std::all_of(on.begin(), on.end(), agrees)) link.cause = other;
            }
        }
    }
    std::vector<bool> told(found.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        if (topic.empty() || rules[found[i].rule].entry.topic == topic)
            for (std::optional<std::size_t> up = i; up && !told[*up]; up = links[*up].cause) told[*up] = true;
    for (std::size_t i = 0; i < found.size(); ++i)
        if (links[i].cause) found[i].finding.because_of = found[*links[i].cause].finding.id;
    for (const std::size_t i : order_by_cause(links))
        if (told[i]) answer.findings.push_back(std::move(found[i].finding));
}

}  // namespace waggle::explain
