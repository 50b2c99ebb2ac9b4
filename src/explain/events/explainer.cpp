// SPDX-License-Identifier: Apache-2.0
#include "waggle/explain.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/nearest.h"
#include "base/shell.h"
#include "base/text.h"
#include "explain/events/event_words.h"
#include "explain/events/figure_limits.h"
#include "explain/knowledge_files.h"
#include "explain/phrases.h"

namespace waggle {

using namespace explain;

namespace {

constexpr std::string_view english = "en";

bool is_moment(std::string_view column) {
    constexpr std::string_view moments[] = {"time_ns", "start_ns", "loaded_ns", "last_seen_ns"};
    return std::ranges::find(moments, column) != std::end(moments) || column.ends_with("_start_ns");
}

Cell cell_of(const RowValue& value) {
    Cell out;
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        out.kind = Value::Kind::integer;
        out.integer = *integer;
    } else if (const auto* real = std::get_if<double>(&value)) {
        out.kind = Value::Kind::real;
        out.real = *real;
    } else if (const auto* text = std::get_if<std::string>(&value); text && !text->empty()) {
        out.kind = Value::Kind::text;
        out.text = *text;
    }
    return out;  // a text that is empty says that nothing is known
}

const RowValue* value_of(const NamedRow& row, std::string_view column) {
    const auto found = std::find_if(row.columns.begin(), row.columns.end(),
                                    [&](const auto& each) { return each.first == column; });
    return found == row.columns.end() ? nullptr : &found->second;
}

Cell cell_named(const NamedRow& row, std::string_view column) {
    const RowValue* value = value_of(row, column);
    return value ? cell_of(*value) : Cell{};
}

// Zero says that there is none: no signal, no error, no sender.
bool says_nothing(const Cell& cell) {
    return cell.is_null() || (cell.kind == Value::Kind::integer && cell.integer == 0);
}

std::string shown(std::string_view column, const Cell& cell) {
    if (cell.kind == Value::Kind::text) return escape_control(cell.text);
    const Unit unit = unit_of_name(column);
    if (cell.kind == Value::Kind::integer && (unit == Unit::none || unit == Unit::identifier))
        return cell.as_text();
    return format_number(cell.number(), unit);
}

// "comm nginx, pid 812"
std::string listed(const NamedRow& row) {
    std::string out;
    for (const auto& [column, value] : row.columns) {
        const Cell cell = cell_of(value);
        if (cell.is_null() || is_moment(column)) continue;
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", escape_control(column), shown(column, cell));
    }
    return out;
}

std::vector<std::string> said(const std::vector<Sentences>& entries, std::span<const Cell> cells,
                              const Knowledge& knowledge) {
    std::vector<std::string> out;
    for (const Sentences& entry : entries)
        if (std::optional<std::string> text = say_first(entry, cells, &knowledge); text && !text->empty())
            out.push_back(std::move(*text));
    return out;
}

std::vector<std::string> advised(const std::vector<std::vector<EventAdvice>>& entries,
                                 std::span<const Cell> cells, const Knowledge& knowledge) {
    std::vector<std::string> out;
    for (const std::vector<EventAdvice>& entry : entries)
        for (const EventAdvice& advice : entry) {
            std::optional<std::string> text = advice.text.say(cells, &knowledge);
            if (!text || text->empty()) continue;
            const std::optional<std::string> why =
                advice.why ? advice.why->say(cells, &knowledge) : std::nullopt;
            out.push_back(why ? *text + "    # " + *why : *text);
            break;
        }
    return out;
}

// Where the knowledge's command names a UNIT and the row knows it, the command names that one.
std::string with_unit(std::string_view command, const Cell& unit) {
    constexpr std::string_view word = "UNIT";
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    std::string out;
    while (!unit.is_null()) {
        const std::size_t at = command.find(word);
        if (at == std::string_view::npos) break;
        const std::size_t end = at + word.size();
        const bool whole =
            (at == 0 || !is_word(command[at - 1])) && (end == command.size() || !is_word(command[end]));
        out += command.substr(0, at);
        out += whole ? shell_word(unit.text) : std::string(word);
        command.remove_prefix(end);
    }
    return out + std::string(command);
}

void add_new(std::vector<std::string>& to, std::string text) {
    if (std::find(to.begin(), to.end(), text) == to.end()) to.push_back(std::move(text));
}

// A command is advised once, whatever is said behind its #.
void add_advice(std::vector<std::string>& to, std::string text) {
    const auto command = [](std::string_view advice) { return trim(advice.substr(0, advice.find(" #"))); };
    if (std::ranges::none_of(to, [&](const std::string& each) { return command(each) == command(text); }))
        to.push_back(std::move(text));
}

}  // namespace

struct Explainer::State {
    std::string language;
    Knowledge knowledge;
    EventFiles files;
    std::vector<StatedLimit> limits;

    const EventWords* words_of(std::string_view source) const {
        const auto found = files.words.find(source);
        if (found == files.words.end()) return nullptr;
        for (const std::string_view wanted :
             {std::string_view(language), std::string_view(language).substr(0, language.find('_')), english})
            if (const auto words = found->second.find(wanted); words != found->second.end())
                return &words->second;
        return nullptr;
    }
    const EventFacts* facts_of(std::string_view source) const {
        const auto found = files.facts.find(source);
        return found == files.facts.end() ? nullptr : &found->second;
    }

    std::string phrase(Phrase key, PhraseValues values) const { return explain::say(key, values, language); }

    Error unknown(std::string_view source) const {
        std::vector<std::string_view> known;
        for (const auto& [name, unused] : files.words) known.push_back(name);
        return {fmt::format("no table is called {}{}", escape_control(source), did_you_mean(source, known)),
                ErrorKind::usage};
    }

    std::optional<Explanation> entry_of(std::string_view kind, const Cell& cell) const {
        std::string word = cell.as_text();
        // System calls give their error negative.
        if (kind == "errno" && word.starts_with('-')) word.erase(0, 1);
        return knowledge.entry(kind, word);
    }

    // The row's cells in the order of the words' columns. A number that the knowledge knows by a name is that name.
    std::vector<Cell> cells_of(const EventWords& words, const NamedRow& row) const {
        std::vector<Cell> out;
        const EventFacts* facts = facts_of(row.source);
        for (const std::string& column : words.columns) {
            Cell cell = cell_named(row, column);
            if (facts && cell.kind == Value::Kind::integer && cell.integer != 0)
                for (const auto& [named, kind] : facts->values)
                    if (named == column && kind != "exit_code")
                        if (const auto entry = entry_of(kind, cell)) {
                            cell.kind = Value::Kind::text;
                            cell.text = entry->word;
                            break;
                        }
            out.push_back(std::move(cell));
        }
        return out;
    }

    static bool holds(const NamedRow& row, std::span<const EventFacts::Condition> any) {
        return std::ranges::any_of(any, [&](const EventFacts::Condition& condition) {
            const Cell cell = cell_named(row, condition.column);
            return !says_nothing(cell) &&
                   (std::ranges::find(condition.words, "any") != condition.words.end() ||
                    std::ranges::find(condition.words, cell.as_text()) != condition.words.end());
        });
    }

    void add_values(const NamedRow& row, Explained& out) const {
        const EventFacts* facts = facts_of(row.source);
        if (!facts) return;
        const Cell unit = cell_named(row, "unit");
        const bool because = !holds(row, facts->no_because), impact = !holds(row, facts->no_impact);
        for (const auto& [column, kind] : facts->values) {
            const Cell cell = cell_named(row, column);
            if (says_nothing(cell)) continue;
            const std::optional<Explanation> entry = entry_of(kind, cell);
            if (!entry) continue;
            const std::string word =
                kind == "exit_code" ? fmt::format("{} {}", column, cell.as_text()) : entry->word;
            add_new(out.evidence,
                    phrase(Phrase::event_value,
                           {{"column", column}, {"word", cell.as_text()}, {"what", entry->what}}));
            for (const std::string& cause : entry->because)
                if (because)
                    add_new(out.because, phrase(Phrase::event_in_general, {{"word", word}, {"text", cause}}));
            if (impact && !entry->impact.empty())
                add_new(out.impact,
                        phrase(Phrase::event_in_general, {{"word", word}, {"text", entry->impact}}));
            for (const std::string& each : entry->try_) add_advice(out.try_, with_unit(each, unit));
            for (const std::string& each : entry->check) add_advice(out.check, with_unit(each, unit));
        }
    }

    void add_subject(const NamedRow& row, Explained& out) const {
        if (says_nothing(cell_named(row, "pid"))) return;
        for (const auto& [column, key] : {std::pair{"exe", Phrase::event_exe},
                                          {"unit", Phrase::event_unit},
                                          {"container", Phrase::event_container},
                                          {"cgroup", Phrase::event_cgroup}}) {
            const Cell cell = cell_named(row, column);
            if (cell.kind == Value::Kind::text)
                out.impact.push_back(phrase(key, {{"name", escape_control(cell.text)}}));
        }
    }

    static bool same(const NamedRow& a, const NamedRow& b, const EventFacts& facts) {
        return std::all_of(facts.alike.begin(), facts.alike.end(), [&](const std::string& column) {
            return cell_named(a, column).as_text() == cell_named(b, column).as_text();
        });
    }

    void add_often(const NamedRow& row, std::span<const NamedRow> lately, Explained& out) const {
        const EventFacts* facts = facts_of(row.source);
        if (!facts || facts->alike.empty() || lately.empty()) return;
        std::int64_t rows = 0, alike = 0;
        std::int64_t first = INT64_MAX, last = INT64_MIN;
        for (const NamedRow& other : lately) {
            if (other.source != row.source) continue;
            ++rows;
            if (!same(row, other, *facts)) continue;
            ++alike;
            if (const Cell time = cell_named(other, "time_ns"); time.kind == Value::Kind::integer) {
                first = std::min(first, time.integer);
                last = std::max(last, time.integer);
            }
        }
        if (rows < 2 || alike == 0) return;
        std::string columns;
        for (const std::string& column : facts->alike) columns += (columns.empty() ? "" : ", ") + column;
        const std::string of = format_count(rows), like = format_count(alike);
        if (alike == 1)
            out.impact.push_back(phrase(Phrase::event_once, {{"rows", of}, {"columns", columns}}));
        else if (first < last)
            out.impact.push_back(phrase(Phrase::event_often_within,
                                        {{"alike", like},
                                         {"rows", of},
                                         {"columns", columns},
                                         {"span", format_duration_ns(static_cast<double>(last - first))}}));
        else
            out.impact.push_back(
                phrase(Phrase::event_often, {{"alike", like}, {"rows", of}, {"columns", columns}}));
    }

    std::optional<std::string> sentence(const NamedRow& row) const {
        const EventWords* words = words_of(row.source);
        if (!words) return std::nullopt;
        return say_first(words->what, cells_of(*words, row), &knowledge);
    }

    std::string row_alone(const NamedRow& row) const {
        return phrase(Phrase::event_row_of, {{"source", row.source}, {"columns", listed(row)}});
    }

    Explained explained(const NamedRow& row, std::string what) const {
        Explained out;
        out.what = std::move(what);
        if (const EventWords* words = words_of(row.source)) {
            const std::vector<Cell> cells = cells_of(*words, row);
            out.because = said(words->because, cells, knowledge);
            out.impact = said(words->here, cells, knowledge);
            out.try_ = advised(words->try_, cells, knowledge);
            out.check = advised(words->check, cells, knowledge);
        }
        return out;
    }

    void hold_against_limits(const NamedRow& figures, Explained& out) const {
        const EventFacts* facts = facts_of(figures.source);
        bool any = false;
        for (const FigureLimit& against : facts ? facts->against : std::vector<FigureLimit>{}) {
            const Cell figure = cell_named(figures, against.column);
            const auto limit = std::find_if(limits.begin(), limits.end(), [&](const StatedLimit& each) {
                return each.rule == against.rule && each.name == against.limit;
            });
            if (limit == limits.end() ||
                (figure.kind != Value::Kind::integer && figure.kind != Value::Kind::real))
                continue;
            any = true;
            const bool high = figure.number() >= limit->value.number();
            out.because.push_back(phrase(high ? Phrase::figure_high : Phrase::figure_low,
                                         {{"column", against.column},
                                          {"value", shown(against.column, figure)},
                                          {"rule", against.rule},
                                          {"name", against.limit},
                                          {"limit", shown(against.column, limit->value)},
                                          {"means", limit->means}}));
        }
        if (!any) out.because.push_back(phrase(Phrase::figure_without_limit, {}));
    }
};

Explainer::Explainer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Explainer::Explainer(Explainer&&) noexcept = default;
Explainer& Explainer::operator=(Explainer&&) noexcept = default;
Explainer::~Explainer() = default;

Result<Explainer> Explainer::open(const Options& options) {
    auto state = std::make_unique<State>();
    state->language = options.language;
    Result<Knowledge> knowledge = Knowledge::open(knowledge_files());
    if (!knowledge) return knowledge.error();
    state->knowledge = std::move(*knowledge);
    std::vector<EmbeddedFile> all(event_files().begin(), event_files().end());
    for (const File& file : options.files) all.push_back({file.path, file.text});
    Result<EventFiles> files = read_event_files(all, state->knowledge.kinds());
    if (!files) return files.error();
    state->files = std::move(*files);
    Result<std::vector<StatedLimit>> limits = stated_limits(all, options.folder);
    if (!limits) return limits.error();
    state->limits = std::move(*limits);
    return Explainer(std::move(state));
}

std::vector<std::string> Explainer::sources() const {
    std::vector<std::string> out;
    for (const auto& [source, unused] : state_->files.words) out.push_back(source);
    return out;
}

Result<std::string> Explainer::say(const NamedRow& row) const {
    if (!state_->words_of(row.source)) return state_->unknown(row.source);
    std::optional<std::string> text = state_->sentence(row);
    return text ? std::move(*text) : state_->row_alone(row);
}

Result<Explained> Explainer::explain_event(const NamedRow& row, std::span<const NamedRow> lately) const {
    Result<std::string> what = say(row);
    if (!what) return what.error();
    Explained out = state_->explained(row, std::move(*what));
    state_->add_subject(row, out);
    state_->add_often(row, lately, out);
    state_->add_values(row, out);
    out.evidence.push_back(state_->row_alone(row));
    return out;
}

bool Explainer::alike(const NamedRow& a, const NamedRow& b) const {
    const EventFacts* facts = state_->facts_of(a.source);
    return a.source == b.source && facts && !facts->alike.empty() && State::same(a, b, *facts);
}

Result<Explained> Explainer::explain_performance(const NamedRow& figures) const {
    const std::string columns = listed(figures);
    if (columns.empty()) return Error{"there are no figures", ErrorKind::usage};
    std::optional<std::string> what = state_->sentence(figures);
    Explained out = state_->explained(
        figures, what ? std::move(*what) : state_->phrase(Phrase::figures_are, {{"columns", columns}}));
    state_->hold_against_limits(figures, out);
    out.evidence.push_back(state_->phrase(Phrase::figures_are, {{"columns", columns}}));
    return out;
}

std::vector<Explainer::Words> Explainer::words() const {
    std::vector<Words> out;
    for (const auto& [source, languages] : state_->files.words)
        for (const auto& [language, words] : languages) {
            Words each{source, language, words.file, words.columns};
            if (const EventFacts* facts = state_->facts_of(source)) {
                for (const auto& [column, unused] : facts->values) add_new(each.columns, column);
                for (const std::string& column : facts->alike) add_new(each.columns, column);
                for (const FigureLimit& against : facts->against) add_new(each.columns, against.column);
                for (const auto* conditions : {&facts->no_because, &facts->no_impact})
                    for (const EventFacts::Condition& each_one : *conditions)
                        add_new(each.columns, each_one.column);
            }
            out.push_back(std::move(each));
        }
    return out;
}

std::vector<std::string> Explainer::problems() const {
    std::vector<std::string> out;
    for (const auto& [source, facts] : state_->files.facts) {
        if (!state_->words_of(source))
            out.push_back(fmt::format("{}: {} has no sentence", facts.file, source));
        for (const FigureLimit& against : facts.against) {
            const auto limit =
                std::find_if(state_->limits.begin(), state_->limits.end(), [&](const StatedLimit& each) {
                    return each.rule == against.rule && each.name == against.limit;
                });
            if (limit == state_->limits.end())
                out.push_back(fmt::format("{}: {} of {} is held against {}.{}, which no rule states",
                                          facts.file, against.column, source, against.rule, against.limit));
            else if (limit->unit != unit_of_name(against.column))
                out.push_back(fmt::format("{}: {} of {} and {}.{} have different units", facts.file,
                                          against.column, source, against.rule, against.limit));
        }
    }
    for (const auto& [source, languages] : state_->files.words)
        for (const std::string& language : state_->files.languages)
            if (!languages.contains(language))
                out.push_back(fmt::format("{} has no sentence in the language {}", source, language));
    return out;
}

}  // namespace waggle
