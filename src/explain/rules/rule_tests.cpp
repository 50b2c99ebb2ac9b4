// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_tests.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/measure.h"
#include "explain/rules/rule.h"
#include "explain/yaml_reader.h"
#include "query/sql_text.h"
#include "query/window.h"

namespace waggle::explain {
namespace {

constexpr std::array<std::string_view, 4> case_keys = {"case", "window", "finds", "same_but"};
constexpr std::uint64_t tests_realtime_ns = 1'700'000'000'000'000'000;
constexpr std::uint64_t shortest_window_ns = 1'000'000'000;

GivenTable table_of(const RuleBook::View& view) {
    GivenTable table{view.name, {}};
    for (const RuleBook::ViewColumn& column : view.columns)
        table.columns.push_back({column.name, column.meaning, {}, column.unit, false, false, false, {}});
    return table;
}

// A word of a table's text, and whether quotes stood around it.
struct Token {
    std::string text;
    bool quoted = false;
};

std::vector<Token> tokens_of(std::string_view line) {
    std::vector<Token> out;
    for (std::size_t at = 0; at < line.size();) {
        if (line[at] == ' ' || line[at] == '\t' || line[at] == '\r') {
            ++at;
            continue;
        }
        Token& token = out.emplace_back();
        if (line[at] == '"') {
            token.quoted = true;
            for (++at; at < line.size() && line[at] != '"'; ++at) {
                if (line[at] == '\\' && at + 1 < line.size()) ++at;
                token.text += line[at];
            }
            ++at;
        } else {
            while (at < line.size() && line[at] != ' ' && line[at] != '\t' && line[at] != '\r')
                token.text += line[at++];
        }
    }
    return out;
}

// The value that a test means; nothing where the text is no value of the column.
std::optional<Cell> value_of(const GivenColumn& column, const Token& token) {
    Cell cell;
    if (!token.quoted && token.text == "-") return cell;
    const std::optional<Measure> measure =
        column.text || token.quoted ? std::nullopt : measure_of(token.text);
    if (measure) {
        if (column.unit == Unit::seconds && measure->unit == Unit::nanoseconds) {
            cell.kind = Value::Kind::real;
            cell.real = measure->value.number() / 1e9;
            return cell;
        }
        // A duration where none belongs is a mistake; a plain number is right everywhere.
        const bool fits = measure->unit == Unit::count || measure->unit == column.unit ||
                          (measure->unit == Unit::nanoseconds && column.name.ends_with("_ns")) ||
                          column.unit == Unit::none;
        if (!fits) return std::nullopt;
        return measure->value;
    }
    if (column.typed && !column.text && !column.named && !token.quoted) return std::nullopt;
    cell.kind = Value::Kind::text;
    cell.text = token.text;
    return cell;
}

struct Rows {
    const GivenTable* table = nullptr;
    std::set<std::size_t> named;  // the columns that the test names
    std::vector<std::vector<Cell>> rows;
};

struct Case {
    std::string name;
    Position at;
    std::map<std::string, Rows> tables;
    std::optional<std::uint64_t> window_ns;
    const YamlNode* finds = nullptr;
};

// Reads a file of tests. Each case is read by itself; the first fault of one is kept.
class CaseReader : public YamlReader {
  public:
    CaseReader(const YamlText& file, const std::map<std::string, GivenTable, std::less<>>& tables)
        : YamlReader(file), tables_(tables) {}

    Case read(const YamlNode& node, const Case* before) {
        Case out;
        out.at = node.at;
        if (!group(node, "case")) return out;
        const YamlNode* named = node.find("case");
        const YamlNode* same_but = node.find("same_but");
        out.finds = node.find("finds");
        if (!named) fail(node.at, "a test lacks `case`, which says what it is about");
        if (!out.finds) fail(node.at, "a test lacks `finds`");
        if (same_but && !before) fail(same_but->at, "`same_but` has no case before it");
        if (error_) return out;
        out.name = sentence(*named, "case");
        if (same_but) {
            out.tables = before->tables;
            out.window_ns = before->window_ns;
        }
        for (std::size_t i = 0; i < node.keys.size(); ++i)
            if (std::find(case_keys.begin(), case_keys.end(), node.keys[i].text) == case_keys.end())
                read_table(node.keys[i], node.items[i], out);
        if (const YamlNode* window = node.find("window")) {
            const auto measure = measure_of(text(*window, "window"));
            if (measure && measure->unit == Unit::nanoseconds && measure->value.number() > 0)
                out.window_ns = static_cast<std::uint64_t>(measure->value.number());
            else
                fail(window->at, fmt::format("`window` is {}", measure_name(Unit::nanoseconds)));
        }
        if (same_but && group(*same_but, "same_but"))
            for (std::size_t i = 0; i < same_but->keys.size(); ++i)
                change(same_but->keys[i], same_but->items[i], out);
        return out;
    }

    // A finding's value against what a test wants of it.
    static bool same(const Cell& found, const GivenColumn& column, const std::string& wanted) {
        if (wanted == "-") return found.is_null();
        if (found.is_null()) return false;
        if (found.as_text() == wanted) return true;
        const std::optional<Cell> value = value_of(column, {wanted, false});
        if (!value || value->kind == Value::Kind::text || found.kind == Value::Kind::text) return false;
        const double a = found.number(), b = value->number();
        return std::fabs(a - b) <= 1e-6 * std::max(std::fabs(a), std::fabs(b));
    }

  private:
    const std::map<std::string, GivenTable, std::less<>>& tables_;

    // "time" is time_ns, "parent" parent_pid, where the table has one such column.
    std::optional<std::size_t> column(const GivenTable& table, std::string_view name, Position at) {
        std::vector<std::string_view> known;
        std::optional<std::size_t> found;
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            const std::string_view full = table.columns[i].name;
            if (full == name) return i;
            known.push_back(full);
            for (const std::string_view unit : {"_ns", "_pid", "_bytes", "_percent"})
                if (full.size() == name.size() + unit.size() && full.starts_with(name) &&
                    full.ends_with(unit) && !found)
                    found = i;
        }
        if (!found)
            fail(at, fmt::format("{} has no column {}{}", table.name, escape_control(name),
                                 did_you_mean(name, known)));
        return found;
    }

    std::optional<Cell> value(const GivenTable& table, std::size_t column, const Token& token, Position at) {
        std::optional<Cell> cell = value_of(table.columns[column], token);
        if (!cell)
            fail(at, fmt::format("{} is no value of {}.{}", escape_control(token.text), table.name,
                                 table.columns[column].name));
        return cell;
    }

    void read_table(const YamlNode& key, const YamlNode& node, Case& out) {
        const auto found = tables_.find(key.text);
        if (found == tables_.end()) {
            std::vector<std::string_view> known(case_keys.begin(), case_keys.end());
            for (const auto& [name, unused] : tables_) known.push_back(name);
            return fail(key.at, fmt::format("no table or view is called {}{}", escape_control(key.text),
                                            did_you_mean(key.text, known)));
        }
        Rows& rows = out.tables[key.text];
        rows = {&found->second, {}, {}};
        if (node.kind == YamlNode::Kind::null) return;  // the table is there and empty
        const std::string written = text(node, key.text);
        if (error_) return;
        if (written.find('\n') == std::string::npos) return read_one_row(node, written, rows);
        read_rows(node, rows);
    }

    // "pid 9, comm sh"
    void read_one_row(const YamlNode& node, const std::string& written, Rows& rows) {
        std::vector<Cell> row = absent(*rows.table);
        for (const std::string_view part : split(written, ',')) {
            const std::vector<Token> pair = tokens_of(part);
            if (pair.size() != 2)
                return fail(node.at,
                            fmt::format("a table of one row is written \"pid 9, comm sh\", not \"{}\"",
                                        escape_control(trim(part))));
            const auto at = column(*rows.table, pair[0].text, node.at);
            if (!at) return;
            const auto cell = value(*rows.table, *at, pair[1], node.at);
            if (!cell) return;
            row[*at] = *cell;
            rows.named.insert(*at);
        }
        rows.rows.push_back(std::move(row));
    }

    void read_rows(const YamlNode& node, Rows& rows) {
        std::vector<std::size_t> columns;
        std::size_t offset = 0;
        for (const std::string_view line : split(node.text, '\n')) {
            const Position at = file_.inside(node, offset);
            offset += line.size() + 1;
            const std::vector<Token> tokens = tokens_of(line);
            if (tokens.empty()) continue;
            if (columns.empty()) {
                for (const Token& token : tokens) {
                    const auto found = column(*rows.table, token.text, at);
                    if (!found) return;
                    if (!rows.named.insert(*found).second)
                        return fail(at,
                                    fmt::format("column {} stands here twice", escape_control(token.text)));
                    columns.push_back(*found);
                }
                continue;
            }
            if (tokens.size() != columns.size())
                return fail(at,
                            fmt::format("{} values for {} columns; text with blanks stands in double quotes, "
                                        "and - is null",
                                        tokens.size(), columns.size()));
            std::vector<Cell> row = absent(*rows.table);
            for (std::size_t i = 0; i < tokens.size(); ++i) {
                const auto cell = value(*rows.table, columns[i], tokens[i], at);
                if (!cell) return;
                row[columns[i]] = *cell;
            }
            rows.rows.push_back(std::move(row));
        }
    }

    static std::vector<Cell> absent(const GivenTable& table) {
        std::vector<Cell> out;
        for (const GivenColumn& column : table.columns) out.push_back(column.absent);
        return out;
    }

    // One value for all rows: of the tables that name the column, or else of all that have it; table.column
    // says which.
    void change(const YamlNode& key, const YamlNode& node, Case& out) {
        const std::size_t dot = key.text.find('.');
        const std::string table(key.text.substr(0, dot == std::string::npos ? 0 : dot));
        const std::string_view name =
            std::string_view(key.text).substr(dot == std::string::npos ? 0 : dot + 1);
        const Token wanted{text(node, key.text), false};
        if (error_) return;
        if (!table.empty() && !out.tables.contains(table))
            return fail(key.at, fmt::format("the case has no table {}", escape_control(table)));
        bool changed = false;
        for (const bool named : {true, false}) {
            for (auto& [each, rows] : out.tables) {
                if (!table.empty() && each != table) continue;
                CaseReader quiet(file_, tables_);
                const auto at = quiet.column(*rows.table, name, key.at);
                if (!at || (named && !rows.named.contains(*at))) continue;
                const auto cell = value(*rows.table, *at, wanted, node.at);
                if (!cell) return;
                for (std::vector<Cell>& row : rows.rows) row[*at] = *cell;
                changed = true;
            }
            if (changed) return;
        }
        fail(key.at, fmt::format("no table of this case has a column {}", escape_control(name)));
    }
};

}  // namespace

struct RuleTester::State {
    std::span<const RuleFile> files;
    Sql sql;
    WindowRelation window;
    std::map<std::string, GivenTable, std::less<>> tables;
    std::optional<RuleBook> book;

    explicit State(Sql opened) : sql(std::move(opened)) {}

    RuleTestReport run_file(const RuleFile& file);
    void run_case(const Case& test, const YamlText& text, std::size_t rule, RuleTestReport& report);
    // The first thing about the finding that is not as wanted; "" where all is.
    std::string compare(const YamlNode& wanted, const Rule& rule, const RuleBook::Answered& found,
                        Position& at);
};

RuleTester::RuleTester(std::unique_ptr<State> state) : state_(std::move(state)) {}
RuleTester::~RuleTester() = default;

Result<std::unique_ptr<RuleTester>> RuleTester::create(std::span<const GivenTable> tables,
                                                       std::span<const RuleFile> files,
                                                       const std::function<Result<void>(Sql&)>& add_functions,
                                                       std::string_view language) {
    Result<Sql> sql = Sql::open();
    if (!sql) return sql.error();
    auto state = std::make_unique<State>(std::move(*sql));
    state->files = files;
    if (auto added = state->window.add_to(state->sql); !added) return added.error();
    if (add_functions)
        if (auto added = add_functions(state->sql); !added) return added.error();
    for (const GivenTable& table : tables) {
        std::vector<Sql::TableColumn> columns;
        for (const GivenColumn& column : table.columns)
            columns.push_back({column.name, column.meaning, column.sql_type});
        if (auto added = state->sql.add_rows(table.name, columns); !added) return added.error();
        state->tables[table.name] = table;
    }
    state->book = RuleBook::load(files, state->sql, language);
    for (const RuleBook::View& view : state->book->views()) state->tables[view.name] = table_of(view);
    return std::unique_ptr<RuleTester>(new RuleTester(std::move(state)));
}

const RuleBook& RuleTester::book() const { return *state_->book; }

std::vector<RuleTestReport> RuleTester::run() {
    std::vector<RuleTestReport> out;
    for (const RuleFile& file : state_->files)
        if (kind_of_rule_file(file.path) == RuleFileKind::tests) out.push_back(state_->run_file(file));
    return out;
}

RuleTestReport RuleTester::State::run_file(const RuleFile& file) {
    RuleTestReport report;
    report.file = std::string(file.path);
    report.users = file.users;
    const YamlText text(file.path, file.text);
    const std::span<const Rule> rules = book->rules();
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&](const Rule& each) { return test_file_of(each.file) == file.path; });
    if (rule == rules.end()) {
        report.faults.push_back(text.error({}, "no rule that is in use stands beside these tests").message);
        return report;
    }
    report.rule = rule->entry.id;
    const auto root = text.parse();
    if (!root) {
        report.faults.push_back(root.error().message);
        return report;
    }
    if (root->kind != YamlNode::Kind::list) {
        report.faults.push_back(
            text.error(root->at, "a file of tests is a list: each begins with `- case: …`").message);
        return report;
    }
    std::optional<Case> before;
    std::set<std::string> names;
    for (const YamlNode& node : root->items) {
        CaseReader reader(text, tables);
        Case test = reader.read(node, before ? &*before : nullptr);
        if (reader.error()) {
            report.faults.push_back(reader.error()->message);
            continue;
        }
        if (!names.insert(test.name).second)
            report.faults.push_back(text.error(test.at, "a case of this name is there already").message);
        run_case(test, text, static_cast<std::size_t>(rule - rules.begin()), report);
        if (!node.find("same_but")) before = std::move(test);
    }
    return report;
}

void RuleTester::State::run_case(const Case& test, const YamlText& text, std::size_t rule,
                                 RuleTestReport& report) {
    const auto fault = [&](Position at, std::string_view reason) {
        report.faults.push_back(text.error(at, fmt::format("\"{}\": {}", test.name, reason)).message);
    };
    const bool nothing = test.finds->is_scalar() && test.finds->text == "nothing";
    std::span<const YamlNode> wanted;
    if (test.finds->kind == YamlNode::Kind::list) wanted = test.finds->items;
    if (test.finds->kind == YamlNode::Kind::map) wanted = {test.finds, 1};
    if (!nothing && wanted.empty())
        return fault(test.finds->at, "`finds` is nothing, or what the finding must be, or a list of these");
    report.cases.push_back({test.name, !nothing});

    sql.forget_rows();
    std::uint64_t last_ns = shortest_window_ns;
    for (const auto& [name, rows] : test.tables) {
        if (auto set = sql.set_rows(name, rows.rows); !set) return fault(test.at, set.error().message);
        for (std::size_t i = 0; i < rows.table->columns.size(); ++i)
            if (rows.table->columns[i].name == "time_ns")
                for (const std::vector<Cell>& row : rows.rows)
                    last_ns = std::max(last_ns, static_cast<std::uint64_t>(row[i].number()));
    }
    Answer answer;
    answer.window = {0, test.window_ns.value_or(last_ns), tests_realtime_ns};
    window.set(answer.window);
    const std::vector<RuleBook::Answered> found = book->ask_one(sql, rule, answer);
    for (const std::string& problem : answer.problems) fault(test.at, problem);
    if (found.size() != wanted.size())
        return fault(test.finds->at,
                     fmt::format("it finds {}, not {}{}", found.size(), wanted.size(),
                                 found.empty() ? "" : fmt::format(": {}", found.front().finding.what)));
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        Position at = wanted[i].at;
        const std::string wrong = compare(wanted[i], book->rules()[rule], found[i], at);
        if (!wrong.empty()) return fault(at, wrong);
    }
}

std::string RuleTester::State::compare(const YamlNode& wanted, const Rule& rule,
                                       const RuleBook::Answered& found, Position& at) {
    if (wanted.kind != YamlNode::Kind::map) return "what a finding must be is a group of keys";
    const Finding& finding = found.finding;
    const std::map<std::string_view, std::string> single = {
        {"what", finding.what},
        {"impact", finding.impact},
        {"object", finding.object.name},
        {"object_kind", finding.object.kind},
        {"severity", std::string(severity_name(finding.severity))},
        {"confidence", std::string(confidence_name(finding.confidence))},
    };
    std::vector<std::string> shown;
    for (const Evidence& evidence : finding.evidence) shown.push_back(evidence.says);
    const std::map<std::string_view, const std::vector<std::string>*> many = {{"because", &finding.because},
                                                                              {"try", &finding.try_},
                                                                              {"check", &finding.check},
                                                                              {"evidence", &shown}};
    std::string all = finding.what + "\n" + finding.impact;
    for (const auto& [unused, texts] : many)
        for (const std::string& each : *texts) all += "\n" + each;
    for (std::size_t i = 0; i < wanted.keys.size(); ++i) {
        const std::string& key = wanted.keys[i].text;
        const YamlNode& value = wanted.items[i];
        at = value.at;
        const std::span<const YamlNode> texts = value.kind == YamlNode::Kind::list
                                                    ? std::span<const YamlNode>(value.items)
                                                    : std::span<const YamlNode>(&value, 1);
        if (const auto known = single.find(key); known != single.end()) {
            if (one_line(known->second) != one_line(value.text))
                return fmt::format("`{}` is \"{}\"", key, known->second);
        } else if (const auto list = many.find(key); list != many.end()) {
            for (const YamlNode& each : texts)
                if (std::none_of(list->second->begin(), list->second->end(), [&](const std::string& said) {
                        return one_line(said) == one_line(each.text);
                    }))
                    return fmt::format("`{}` does not say \"{}\"; it says \"{}\"", key, one_line(each.text),
                                       fmt::join(*list->second, "\", \""));
        } else if (key == "not_said") {
            for (const YamlNode& each : texts)
                if (all.find(each.text) != std::string::npos) return fmt::format("it says \"{}\"", each.text);
        } else {
            const auto column = std::find(rule.columns.begin(), rule.columns.end(), key);
            if (column == rule.columns.end()) {
                at = wanted.keys[i].at;
                std::vector<std::string_view> near = views_of(rule.columns);
                for (const auto& [name, unused] : single) near.push_back(name);
                for (const auto& [name, unused] : many) near.push_back(name);
                near.emplace_back("not_said");
                return fmt::format("`when` has no column {}{}", escape_control(key), did_you_mean(key, near));
            }
            const auto index = static_cast<std::size_t>(column - rule.columns.begin());
            const Cell& cell = found.row[index];
            const GivenColumn as{key, {}, {}, rule.units[index], false, false, false, {}};
            if (!CaseReader::same(cell, as, value.text))
                return fmt::format("{} is {}", key, cell.is_null() ? "null" : escape_control(cell.as_text()));
        }
    }
    return {};
}

}  // namespace waggle::explain
