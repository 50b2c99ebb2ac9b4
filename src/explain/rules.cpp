// SPDX-License-Identifier: Apache-2.0
#include "explain/rules.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/namespace_entry.h"
#include "base/nearest.h"
#include "base/shell.h"
#include "base/text.h"
#include "base/units.h"
#include "explain/rules/rule_book_state.h"

namespace waggle::explain {

std::string_view severity_name(Severity severity) {
    switch (severity) {
        case Severity::note:
            return "note";
        case Severity::warning:
            return "warning";
        case Severity::critical:
            return "critical";
    }
    return "";
}

std::string_view confidence_name(Confidence confidence) {
    switch (confidence) {
        case Confidence::low:
            return "low";
        case Confidence::medium:
            return "medium";
        case Confidence::high:
            return "high";
    }
    return "";
}

std::optional<Severity> severity_of(std::string_view word) {
    for (const Severity severity : {Severity::note, Severity::warning, Severity::critical})
        if (severity_name(severity) == word) return severity;
    return std::nullopt;
}

std::optional<Confidence> confidence_of(std::string_view word) {
    for (const Confidence confidence : {Confidence::low, Confidence::medium, Confidence::high})
        if (confidence_name(confidence) == word) return confidence;
    return std::nullopt;
}

namespace {

bool same_value(const Cell& a, const Cell& b) {
    return !a.is_null() && !b.is_null() && a.as_text() == b.as_text();
}

class Asker {
  public:
    Asker(Sql& sql, const Knowledge* knowledge, Answer& answer)
        : sql_(sql), knowledge_(knowledge), answer_(answer) {}

    // Appends what the rule finds now; `before` are the findings that have their ids already.
    void ask(const Rule& rule, std::size_t index, const std::vector<FoundRow>& before,
             std::vector<FoundRow>& found) {
        std::vector<Sql::Parameter> limits;
        for (const RuleLimit& limit : rule.limits) limits.push_back({limit.name, limit.value});
        auto rows = sql_.query(rule.when, limits, rule.most_findings);
        if (!rows) return problem(rule, "could not be asked", rows.error().message);
        if (rows->columns.size() != rule.asked_columns())
            return problem(rule, "could not be asked", "a table it reads has changed its columns");
        if (rows->cut)
            problem(rule, fmt::format("found more than {}", rule.most_findings), "the first are shown");
        for (std::vector<Cell>& row : rows->rows) {
            for (const RuleLimit& limit : rule.limits) row.push_back(limit.value);
            if (auto finding = find(rule, row)) {
                number(*finding, before, found);
                found.push_back({index, std::move(row), std::move(*finding)});
            }
        }
    }

  private:
    Sql& sql_;
    const Knowledge* knowledge_;
    Answer& answer_;
    std::map<std::string, std::optional<std::string>> namespaces_;  // by number: what goes before a command

    void problem(const Rule& rule, std::string_view what, std::string_view reason) {
        answer_.problems.push_back(fmt::format("Rule {} {}: {}.", rule.entry.id, what, reason));
    }

    // Findings of one id keep apart.
    static void number(Finding& finding, const std::vector<FoundRow>& before,
                       const std::vector<FoundRow>& found) {
        const std::string id = finding.id;
        const auto same = [&](const FoundRow& other) { return other.finding.id == finding.id; };
        for (std::size_t count = 2;
             std::any_of(before.begin(), before.end(), same) || std::any_of(found.begin(), found.end(), same);
             ++count)
            finding.id = fmt::format("{} ({})", id, count);
    }

    template <class Word>
    static Word word(const WordOrChoice<Word>& wanted, std::span<const Cell> row,
                     std::optional<Word> (*word_of)(std::string_view)) {
        if (!wanted.column) return wanted.word;
        return word_of(row[*wanted.column].as_text()).value_or(wanted.word);
    }

    std::optional<std::string> say(const Sentences& alternatives, std::span<const Cell> row) const {
        return say_first(alternatives, row, knowledge_);
    }

    // What a command begins with in a namespace that is not waggle's own. Nothing where it is not known.
    std::optional<std::string> inside_namespace(const Cell& netns) {
        const auto [known, fresh] = namespaces_.try_emplace(netns.as_text());
        if (!fresh || netns.is_null()) return known->second;
        const Sql::Parameter wanted[] = {{"netns", netns}};
        const auto rows =
            sql_.query("SELECT own, path, name FROM network_namespaces WHERE netns = :netns", wanted, 1);
        if (!rows || rows->rows.empty()) return known->second;
        const std::vector<Cell>& row = rows->rows[0];
        if (row[0].number() != 0)
            known->second = "";
        else if (std::string entry = namespace_entry(row[2].is_null() ? "" : row[2].as_text(),
                                                     row[1].is_null() ? "" : row[1].as_text());
                 !entry.empty())
            known->second = std::move(entry);
        return known->second;
    }

    // Nothing where it cannot be said.
    std::optional<std::pair<Advice, std::string>> say_advice(const RuleAdvice& wanted, Advice::Part part,
                                                             std::span<const Cell> row) {
        const std::optional<std::string> text = wanted.text.say(row, knowledge_);
        if (!text) return std::nullopt;
        Advice advice{part, wanted.kind, *text, {}};
        if (wanted.kind == Advice::Kind::say) return std::pair(advice, *text);
        if (wanted.netns) {
            const std::optional<std::string> before = inside_namespace(row[*wanted.netns]);
            if (!before) return std::nullopt;
            advice.text = *before + *text;
        }
        if (wanted.why) advice.why = wanted.why->say(row, knowledge_).value_or("");
        return std::pair(advice, advice.why.empty() ? advice.text : advice.text + "    # " + advice.why);
    }

    std::vector<std::string> say_advice(const std::vector<std::vector<RuleAdvice>>& entries,
                                        Advice::Part part, std::span<const Cell> row, Finding& finding) {
        std::vector<std::string> out;
        for (const std::vector<RuleAdvice>& alternatives : entries)
            for (const RuleAdvice& each : alternatives) {
                auto said = say_advice(each, part, row);
                if (!said) continue;
                finding.advice.push_back(std::move(said->first));
                out.push_back(std::move(said->second));
                break;
            }
        return out;
    }

    std::optional<Finding> find(const Rule& rule, std::span<const Cell> row) {
        Finding finding;
        std::optional<std::string> what = say(rule.what, row);
        if (!what) {
            problem(rule, "could not say what it found", null_columns(rule, row));
            return std::nullopt;
        }
        finding.what = std::move(*what);
        finding.rule = rule.entry.id;
        finding.severity = word(rule.severity, row, severity_of);
        finding.confidence = word(rule.confidence, row, confidence_of);
        finding.object.kind = say(rule.object_kind, row).value_or("");
        finding.object.name = say(rule.object_name, row).value_or("");
        finding.object.value = say(rule.object_value, row).value_or("");
        for (const Sentences& alternatives : rule.because)
            if (auto said = say(alternatives, row)) finding.because.push_back(std::move(*said));
        finding.impact = say(rule.impact, row).value_or("");
        finding.try_ = say_advice(rule.try_, Advice::Part::try_, row, finding);
        finding.check = say_advice(rule.check, Advice::Part::check, row, finding);
        for (const auto& [key, alternatives] : rule.subject)
            if (auto said = say(alternatives, row); said && !said->empty())
                finding.subject.emplace_back(key, std::move(*said));
        finding.id = rule.entry.id;
        if (!finding.object.name.empty()) finding.id += ": " + finding.object.name;
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
        for (std::size_t i = 0; i < row.size(); ++i) {
            std::string_view name = rule.columns[i];
            if (name.starts_with(':')) name.remove_prefix(1);  // a limit
            parameters.push_back({name, row[i]});
        }
        for (const RuleEvidence& wanted : rule.evidence) {
            std::optional<std::string> says = say(wanted.says, row);
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

RuleBook::RuleBook(std::unique_ptr<State> state) : state_(std::move(state)) {}
RuleBook::RuleBook(RuleBook&&) noexcept = default;
RuleBook& RuleBook::operator=(RuleBook&&) noexcept = default;
RuleBook::~RuleBook() = default;

const std::vector<std::string>& RuleBook::problems() const { return state_->problems; }
std::span<const RuleBook::Entry> RuleBook::entries() const { return state_->entries; }
std::span<const Rule> RuleBook::rules() const { return state_->rules; }
std::span<const RuleBook::View> RuleBook::views() const { return state_->views; }
std::span<const RuleBook::List> RuleBook::lists() const { return state_->lists; }
std::span<const RuleBook::SentencePart> RuleBook::parts() const { return state_->parts; }
std::span<const std::string> RuleBook::languages() const { return state_->languages; }

// How the watched command ended belongs to every question that was asked about it.
bool RuleBook::State::is_of_topic(std::size_t rule, std::string_view topic) const {
    const std::string& its = rules[rule].entry.topic;
    return topic.empty() || its == topic || its == topic_of_every_question;
}

// The rules of the topic, and those of other topics that can cause their findings.
std::vector<bool> RuleBook::State::asked_for(std::string_view topic) const {
    std::vector<bool> asked(rules.size());
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < rules.size(); ++i)
        if (is_of_topic(i, topic)) waiting.push_back(i);
    while (!waiting.empty()) {
        const std::size_t rule = waiting.back();
        waiting.pop_back();
        if (asked[rule]) continue;
        asked[rule] = true;
        waiting.insert(waiting.end(), causes[rule].begin(), causes[rule].end());
    }
    return asked;
}

void RuleBook::give_each_rule(double share_of_time) { state_->budget = share_of_time; }

std::vector<FoundRow> RuleBook::State::ask_and_count(std::size_t index, Sql& sql, Answer& answer,
                                                     std::vector<FoundRow>& found) {
    std::vector<FoundRow> out;
    const std::uint64_t began = processor_time_ns(), shared_before = sql.meter().total_ns();
    Asker(sql, knowledge ? &*knowledge : nullptr, answer).ask(rules[index], index, found, out);
    Cost& cost = costs[index];
    // What works in threads of its own is measured by the whole process, which can be more than this thread worked.
    const std::uint64_t worked = processor_time_ns() - began,
                        elsewhere = sql.meter().total_ns() - shared_before;
    cost.last_ns = worked - std::min(worked, elsewhere);
    cost.findings = out.size();
    ++cost.asked;
    asked_now.push_back(index);
    return out;
}

// A shorter sleep is no news: what the rule found stands with its age.
constexpr std::uint64_t told_from_ns = 30'000'000'000;

// What the rule finds now, and what it found before where `every`, `stays` or its budget says so.
std::vector<FoundRow> RuleBook::State::found_by(std::size_t index, Sql& sql, Answer& answer,
                                                std::vector<FoundRow>& found) {
    const Rule& rule = rules[index];
    Before& past = before[index];
    const std::uint64_t now = answer.window.to_ns;
    const auto age = [&](std::uint64_t then) { return now >= then ? now - then : UINT64_MAX; };
    const std::uint64_t pause = pause_ns(index);
    const auto [busy, busy_ns] = waits_for(index, now);
    if (past.asked_ns && (age(*past.asked_ns) < std::max(rule.every_ns, pause) || busy_ns > 0)) {
        const std::uint64_t asked_age = age(*past.asked_ns);
        if (asked_age < pause && pause > rule.every_ns && pause >= told_from_ns &&
            pause - asked_age >= busy_ns)
            answer.problems.push_back(sleeps(index, pause - asked_age));
        else if (busy_ns > 0 && asked_age + busy_ns >= std::max(rule.every_ns, told_from_ns))
            answer.problems.push_back(waits(index, busy, busy_ns));
        std::vector<FoundRow> again = past.found;
        for (FoundRow& each : again) each.finding.age_ns += age(*past.asked_ns);
        return again;
    }
    std::vector<FoundRow> out = ask_and_count(index, sql, answer, found);
    if (rule.stays_ns > 0) {
        std::erase_if(past.staying,
                      [&](const auto& entry) { return age(entry.second.second) > rule.stays_ns; });
        for (const FoundRow& each : out) past.staying.insert_or_assign(each.finding.id, std::pair(each, now));
        for (const auto& [id, staying] : past.staying) {
            if (staying.second == now) continue;
            out.push_back(staying.first);
            out.back().finding.age_ns = now - staying.second;
        }
    }
    if (rule.every_ns > 0 || budget > 0) {
        past.asked_ns = now;
        past.found = out;
    }
    return out;
}

std::vector<CauseLink> RuleBook::State::links_of(const std::vector<FoundRow>& found) const {
    std::vector<CauseLink> links;
    for (const FoundRow& effect : found) {
        CauseLink& link = links.emplace_back();
        link.severity = effect.finding.severity;
        link.confidence = effect.finding.confidence;
        const Rule& rule = rules[effect.rule];
        if (rule.amount) {
            const Cell& amount = effect.row[*rule.amount];
            if (amount.kind == Value::Kind::integer) link.amount = static_cast<double>(amount.integer);
            if (amount.kind == Value::Kind::real) link.amount = amount.real;
            link.amount_of = rule.entry.topic;
        }
        for (std::size_t c = 0; c < rule.because_of.size() && !link.cause; ++c) {
            const Rule& cause_rule = rules[causes[effect.rule][c]];
            for (std::size_t other = 0; other < found.size() && !link.cause; ++other) {
                if (found[other].rule != causes[effect.rule][c]) continue;
                const auto agrees = [&](const std::string& column) {
                    const auto at = [&](const Rule& of, const FoundRow& row) -> const Cell& {
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
    return links;
}

std::vector<RuleBook::Answered> RuleBook::ask_one(Sql& sql, std::size_t rule, Answer& answer) {
    std::vector<Answered> out;
    std::vector<FoundRow> found;
    Asker(sql, state_->knowledge ? &*state_->knowledge : nullptr, answer)
        .ask(state_->rules[rule], rule, {}, found);
    for (FoundRow& each : found) out.push_back({std::move(each.row), std::move(each.finding)});
    return out;
}

std::vector<std::string> RuleBook::words_lacking() const {
    std::vector<std::string> out;
    for (const std::string& language : state_->languages)
        for (const auto& [rule, worded] : state_->worded) {
            const auto english = worded.find("en");
            const auto other = worded.find(language);
            const auto of_rule = std::find_if(state_->rules.begin(), state_->rules.end(),
                                              [&](const Rule& each) { return each.entry.id == rule; });
            if (english == worded.end() || of_rule == state_->rules.end() || of_rule->users) continue;
            std::vector<std::string> lacking;
            for (const std::string& key : english->second)
                if (other == worded.end() || !other->second.contains(key)) lacking.push_back("`" + key + "`");
            if (!lacking.empty())
                out.push_back(fmt::format("{}/words.{}.yaml: rule {} lacks {}",
                                          room_of_rule_file(of_rule->file), language, rule,
                                          fmt::join(lacking, ", ")));
        }
    return out;
}

void RuleBook::ask(Sql& sql, std::string_view topic, Answer& answer) {
    for (const std::string& problem : state_->problems) answer.problems.push_back(problem + ".");
    const std::vector<bool> asked = state_->asked_for(topic);
    std::vector<FoundRow> found;
    sql.meter().take();
    for (std::size_t i = 0; i < asked.size(); ++i) {
        if (!asked[i]) continue;
        std::vector<FoundRow> more = state_->found_by(i, sql, answer, found);
        std::move(more.begin(), more.end(), std::back_inserter(found));
    }
    state_->share_costs(sql.meter().take(), answer.window.to_ns);
    state_->tell_costs(sql);
    const std::vector<CauseLink> links = state_->links_of(found);
    // A cause from another topic is told where it explains something of this one.
    std::vector<bool> told(found.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        if (state_->is_of_topic(found[i].rule, topic))
            for (std::optional<std::size_t> up = i; up && !told[*up]; up = links[*up].cause) told[*up] = true;
    for (std::size_t i = 0; i < found.size(); ++i)
        if (links[i].cause) found[i].finding.because_of = found[*links[i].cause].finding.id;
    for (const std::size_t i : order_by_cause(links))
        if (told[i]) answer.findings.push_back(std::move(found[i].finding));
}

}  // namespace waggle::explain
