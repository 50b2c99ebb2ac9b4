// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_loader.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/knowledge_files.h"

namespace waggle::explain {
namespace {

constexpr std::size_t most_rule_bytes = 1u << 20;

}  // namespace

std::string missing_table(std::string_view message) {
    constexpr std::string_view before = "no such table: ";
    const std::size_t at = message.find(before);
    if (at == std::string_view::npos) return {};
    std::string_view name = message.substr(at + before.size());
    name = name.substr(0, name.find(';'));
    if (name.starts_with("main.")) name.remove_prefix(5);
    return std::string(name);
}

RuleBook RuleLoader::load() {
    auto knowledge = Knowledge::open(knowledge_files());
    if (knowledge) state_->knowledge = std::move(*knowledge);
    sql_.drop_views();
    if (!sql_.has_table(rule_costs_table))
        if (auto added = sql_.add_rows(rule_costs_table, rule_costs_columns()); !added)
            problem(added.error());
    parse();
    read_lists();
    read_views();
    read_limits();
    index_words();
    read_rules();
    name_what_fits_nothing();
    connect();
    keep_statements();
    return RuleBook(std::move(state_));
}

void RuleLoader::problem(std::string message) {
    const std::string table = missing_table(message);
    if (!table.empty() && broken_views_.contains(table))
        message =
            fmt::format("{}view {} is not in use", message.substr(0, message.find("no such table: ")), table);
    if (std::find(state_->problems.begin(), state_->problems.end(), message) == state_->problems.end())
        state_->problems.push_back(std::move(message));
}

void RuleLoader::parse() {
    for (const RuleFile& file : files_) {
        if (kind_of_rule_file(file.path) == RuleFileKind::tests) continue;
        auto parsed =
            std::make_unique<ParsedFile>(ParsedFile{file, YamlText(file.path, file.text), YamlNode{}});
        if (file.text.size() > most_rule_bytes) {
            problem(parsed->text.error({}, "a file of rules has at most 1 MiB"));
            continue;
        }
        auto root = parsed->text.parse();
        if (!root) {
            problem(root.error());
            continue;
        }
        parsed->root = std::move(*root);
        parsed_.push_back(std::move(parsed));
    }
}

void RuleLoader::read_limits() {
    each(RuleFileKind::limits, [&](const ParsedFile& file) {
        if (auto read = read_limit_overrides(file.text, file.file.path, file.root, limits_); !read)
            problem(read.error());
    });
}

void RuleLoader::read_rules() {
    std::vector<std::pair<const ParsedFile*, const YamlNode*>> all;
    each(RuleFileKind::rules, [&](const ParsedFile& file) {
        if (file.root.kind == YamlNode::Kind::list) {
            name_rules_of_list(file);
        } else if (file.root.kind == YamlNode::Kind::map && file.root.find("rule")) {
            all.emplace_back(&file, &file.root);
        } else {
            problem(file.text.error(file.root.at,
                                    fmt::format("a file of a rule begins with `rule: name`; here stands {}",
                                                kind_name(file.root.kind))));
        }
    });
    for (const auto& [file, node] : all)
        if (const YamlNode* named = node->find("rule")) rule_names_.insert(named->text);
    for (const auto& [file, node] : all) add_rule(*file, *node);
    // A rule that reads several waits for one after the other.
    for (bool gave = true; !waiting_.empty() && gave;) {
        gave = false;
        for (const WaitingRule& rule : std::exchange(waiting_, {})) {
            gave |= give_rows_of(rule.reads);
            add_rule(*rule.file, *rule.node);
        }
    }
    for (const WaitingRule& rule : waiting_)
        problem(rule.file->text.error(rule.node->at,
                                      fmt::format("it reads rule {}, which is not in use", rule.reads)));
}

// Older builds read lists of rules, and recordings hold those that were in force.
void RuleLoader::name_rules_of_list(const ParsedFile& file) {
    bool named_any = false;
    for (const YamlNode& node : file.root.items) {
        const YamlNode* named = node.find("rule");
        if (!named || !named->is_scalar() || named->text.empty()) continue;
        named_any = true;
        rule_names_.insert(named->text);
        problem(file.text.error(
            node.at, fmt::format("rule {0} is not in use: a list of rules is not read any more; a rule is "
                                 "a file of its own in rules.d that begins with `rule: {0}`, with its "
                                 "words below `words`",
                                 escape_control(named->text))));
    }
    if (!named_any)
        problem(file.text.error(file.root.at,
                                "a file of a rule begins with `rule: name`; a list is not "
                                "read: write each rule into a file of its own"));
}

// What a rule finds, as a view of its name, with the limits that are in force.
bool RuleLoader::give_rows_of(const std::string& id) {
    const auto rule = std::find_if(state_->rules.begin(), state_->rules.end(),
                                   [&](const Rule& each) { return each.entry.id == id; });
    if (rule == state_->rules.end() || sql_.has_table(id)) return false;
    std::vector<Sql::Parameter> limits;
    for (const RuleLimit& limit : rule->limits) limits.push_back({limit.name, limit.value});
    Result<void> added;
    if (const auto query = sql_.expand(rule->written_when, limits); !query)
        added = query.error();
    else if (const auto uses = sql_.check(*query); !uses)
        added = uses.error();
    else
        added = sql_.add_view(id, *query, *uses);
    if (!added) problem(added.error());
    return bool(added);
}

void RuleLoader::add_rule(const ParsedFile& file, const YamlNode& node) {
    std::string id;
    if (const YamlNode* named = node.find("rule")) id = named->text;
    const auto same = std::find_if(state_->rules.begin(), state_->rules.end(),
                                   [&](const Rule& each) { return each.entry.id == id; });
    const YamlNode* replaces = node.find("replaces");
    const bool replacing = replaces && replaces->text == "yes";
    // This build's rule of the name can still wait for another that it reads.
    const auto waits = std::find_if(waiting_.begin(), waiting_.end(), [&](const WaitingRule& each) {
        const YamlNode* named = each.node->find("rule");
        return file.file.users && !each.file->file.users && named && named->text == id;
    });
    if (replacing && (!file.file.users || (same == state_->rules.end() && waits == waiting_.end())))
        return problem(file.text.error(
            replaces->at, file.file.users
                              ? fmt::format("rule {} replaces none of this build", escape_control(id))
                              : "`replaces` is for rules in /etc/waggle"));
    if (!id.empty() && same != state_->rules.end() && !replacing)
        return problem(file.text.error(
            node.at,
            fmt::format("rule {} is already there: {}:{}{}", escape_control(id), escape_control(same->file),
                        same->at.line, file.file.users ? "; `replaces: yes` takes its place" : "")));
    if (!id.empty() && waits != waiting_.end() && !replacing)
        return problem(file.text.error(
            node.at,
            fmt::format("rule {} is already there: {}:{}; `replaces: yes` takes its place",
                        escape_control(id), escape_control(waits->file->file.path), waits->node->at.line)));
    const std::size_t known_problems = state_->problems.size();
    Result<Rule> rule = read_rule(file.text, node, sql_, {list_names_, &limits_, &state_->problems});
    if (!rule) {
        const std::string reads = missing_table(rule.error().message);
        if (reads != id && rule_names_.contains(reads)) {
            state_->problems.resize(known_problems);  // they come again
            return waiting_.push_back({&file, &node, reads});
        }
        return problem(rule.error());
    }
    rule->file = std::string(file.file.path);
    rule->users = file.file.users;
    if (!add_words(file, node, *rule)) return;
    if (replacing && same != state_->rules.end()) {
        *same = std::move(*rule);
        return;
    }
    if (replacing) waiting_.erase(waits);
    state_->rules.push_back(std::move(*rule));
}

void RuleLoader::name_what_fits_nothing() {
    const std::vector<std::string_view> names(rule_names_.begin(), rule_names_.end());
    for (const auto& [rule, limits] : limits_)
        for (const auto& [name, limit] : limits) {
            if (limit.used) continue;
            const auto of_rule = std::find_if(state_->rules.begin(), state_->rules.end(),
                                              [&](const Rule& each) { return each.entry.id == rule; });
            if (!rule_names_.contains(rule)) {
                problem(fmt::format("{}: no rule is called {}{}", limit.place, escape_control(rule),
                                    did_you_mean(rule, names)));
            } else if (of_rule != state_->rules.end()) {
                std::vector<std::string_view> known;
                for (const RuleLimit& each : of_rule->limits) known.push_back(each.name);
                problem(fmt::format("{}: rule {} has no limit {}{}", limit.place, rule, escape_control(name),
                                    did_you_mean(name, known)));
            }
        }
    for (const auto& [rule, sources] : words_) {
        if (rule_names_.contains(rule)) continue;
        for (const WordSource& source : sources)
            problem(source.file->text.error(
                source.node->at, fmt::format("words of {}, but no rule is called so{}", escape_control(rule),
                                             did_you_mean(rule, names))));
    }
}

void RuleLoader::connect() {
    std::map<std::string_view, std::size_t> by_id;
    std::vector<std::string_view> ids;
    for (std::size_t i = 0; i < state_->rules.size(); ++i) {
        by_id.emplace(state_->rules[i].entry.id, i);
        ids.push_back(state_->rules[i].entry.id);
    }
    for (Rule& rule : state_->rules) {
        std::vector<std::size_t>& of_rule = state_->causes.emplace_back();
        std::erase_if(rule.because_of, [&](const RuleCause& cause) {
            const auto found = by_id.find(cause.rule);
            if (found == by_id.end()) {
                if (!rule_names_.contains(cause.rule))
                    problem(error_at(rule, cause.at,
                                     fmt::format("`because_of` names no rule: {}{}", cause.rule,
                                                 did_you_mean(cause.rule, ids))));
                return true;
            }
            const std::vector<std::string>& columns = state_->rules[found->second].columns;
            for (const std::string& column : cause.on)
                if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
                    problem(error_at(rule, cause.at,
                                     fmt::format("`when` of rule {} has no column {}{}", cause.rule, column,
                                                 did_you_mean(column, views_of(columns)))));
                    return true;
                }
            of_rule.push_back(found->second);
            return false;
        });
    }
    cut_circles();
    for (const Rule& rule : state_->rules) state_->entries.push_back(rule.entry);
    state_->before.resize(state_->rules.size());
    state_->costs.resize(state_->rules.size());
}

// A cause that closes a circle is left out, and named.
void RuleLoader::cut_circles() {
    enum class Mark : std::uint8_t { unseen, on_path, done };
    std::vector<Rule>& rules = state_->rules;
    std::vector<Mark> marks(rules.size(), Mark::unseen);
    std::vector<std::pair<std::size_t, std::size_t>> path;  // rule, its next cause
    for (std::size_t start = 0; start < rules.size(); ++start) {
        if (marks[start] != Mark::unseen) continue;
        path.assign(1, {start, 0});
        marks[start] = Mark::on_path;
        while (!path.empty()) {
            auto& [rule, next] = path.back();
            std::vector<std::size_t>& causes = state_->causes[rule];
            if (next == causes.size()) {
                marks[rule] = Mark::done;
                path.pop_back();
                continue;
            }
            const std::size_t cause = causes[next];
            if (marks[cause] == Mark::on_path) {
                std::string circle;
                bool inside = false;
                for (const auto& [step, unused] : path) {
                    inside = inside || step == cause;
                    if (inside) circle += rules[step].entry.id + " -> ";
                }
                problem(error_at(
                    rules[rule], rules[rule].because_of[next].at,
                    fmt::format("`because_of` goes in a circle: {}{}", circle, rules[cause].entry.id)));
                rules[rule].because_of.erase(rules[rule].because_of.begin() +
                                             static_cast<std::ptrdiff_t>(next));
                causes.erase(causes.begin() + static_cast<std::ptrdiff_t>(next));
                continue;
            }
            ++next;
            if (marks[cause] == Mark::unseen) {
                marks[cause] = Mark::on_path;
                path.emplace_back(cause, 0);
            }
        }
    }
}

// Rules ask the same every second.
void RuleLoader::keep_statements() {
    for (const Rule& rule : state_->rules) {
        sql_.keep(rule.when);
        for (const RuleEvidence& evidence : rule.evidence) sql_.keep(evidence.query);
    }
}

RuleBook RuleBook::load(std::span<const RuleFile> files, Sql& sql, std::string_view language) {
    return RuleLoader(files, sql, language).load();
}

}  // namespace waggle::explain
