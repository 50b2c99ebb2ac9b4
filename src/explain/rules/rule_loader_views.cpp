// SPDX-License-Identifier: Apache-2.0
// Lists of words and views.
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/rules/rule_loader.h"

namespace waggle::explain {
namespace {

Cell in_list(const std::map<std::string, std::vector<std::string>>& lists,
             const std::map<std::string, std::set<std::string>>& plain, std::span<const Cell> arguments) {
    Cell out;
    if (arguments[1].is_null()) return out;
    out.kind = Value::Kind::integer;
    const std::string name = arguments[0].as_text(), word = arguments[1].as_text();
    const auto words = plain.find(name);
    if (words == plain.end()) return out;
    out.integer = words->second.contains(word) ? 1 : 0;
    if (out.integer == 0)
        for (const std::string& pattern : lists.at(name))
            if (glob_match(pattern, word)) out.integer = 1;
    return out;
}

}  // namespace

void RuleLoader::read_lists() {
    std::vector<RuleBook::List>& lists = state_->lists;
    each(RuleFileKind::lists, [&](const ParsedFile& file) {
        if (file.root.kind != YamlNode::Kind::map)
            return problem(file.text.error(
                file.root.at, fmt::format("a file of lists holds names with their words; here stands {}",
                                          kind_name(file.root.kind))));
        for (std::size_t i = 0; i < file.root.keys.size(); ++i)
            read_list(file, file.root.keys[i], file.root.items[i]);
    });
    std::map<std::string, std::vector<std::string>> patterns;
    std::map<std::string, std::set<std::string>> plain;
    for (const RuleBook::List& each : lists) {
        list_names_.push_back(each.name);
        patterns[each.name];
        plain[each.name];
        for (const std::string& word : each.words) {
            if (word.find_first_of("*?") != std::string::npos)
                patterns[each.name].push_back(word);
            else
                plain[each.name].insert(word);
        }
    }
    auto added = sql_.add_function("in_list", 2, [patterns, plain](std::span<const Cell> arguments) {
        return in_list(patterns, plain, arguments);
    });
    if (!added) problem(added.error());
}

void RuleLoader::read_list(const ParsedFile& file, const YamlNode& key, const YamlNode& node) {
    std::vector<RuleBook::List>& lists = state_->lists;
    ListReader reader(file.text);
    const std::string name = reader.name(key, "a list's name");
    const auto found = std::find_if(lists.begin(), lists.end(),
                                    [&](const RuleBook::List& each) { return each.name == name; });
    const bool whole = node.kind == YamlNode::Kind::map && (node.find("means") || node.find("words"));
    RuleBook::List list{name, {}, {}, std::string(file.file.path), key.at.line, file.file.users};
    if (found != lists.end() && (whole || !file.file.users)) {
        reader.fail(key.at, fmt::format("list {} is already there: {}:{}", name, escape_control(found->file),
                                        found->line));
    } else if (found != lists.end()) {
        list = *found;
        reader.change(node, list);
    } else if (file.file.users && !whole) {
        std::vector<std::string_view> known;
        for (const RuleBook::List& each : lists) known.push_back(each.name);
        reader.fail(key.at, fmt::format("no list is called {}{}; a new one has `means` and `words`", name,
                                        did_you_mean(name, known)));
    } else {
        reader.whole(node, list);
    }
    if (reader.error()) return problem(*reader.error());
    if (found != lists.end())
        *found = std::move(list);
    else
        lists.push_back(std::move(list));
}

void RuleLoader::read_views() {
    std::vector<PendingView> pending;
    each(RuleFileKind::views, [&](const ParsedFile& file) {
        if (file.root.kind != YamlNode::Kind::list)
            return problem(file.text.error(
                file.root.at, fmt::format("a file of views is a list: each begins with `- view: name`; here "
                                          "stands {}",
                                          kind_name(file.root.kind))));
        for (const YamlNode& node : file.root.items) add_pending(file, node, pending);
    });
    for (bool progress = true; progress;) {
        progress = false;
        for (std::size_t i = 0; i < pending.size();) {
            if (!define(pending[i], pending)) {
                ++i;
                continue;
            }
            pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(i));
            progress = true;
        }
    }
    name_circles(pending);
}

void RuleLoader::add_pending(const ParsedFile& file, const YamlNode& node,
                             std::vector<PendingView>& pending) {
    ViewReader reader(file);
    auto [name, source] = reader.read(node, list_names_);
    if (reader.error()) {
        if (const YamlNode* named = node.find("view")) broken_views_.insert(named->text);
        return problem(*reader.error());
    }
    const Position at = node.find("view")->at;
    const auto same = std::find_if(pending.begin(), pending.end(),
                                   [&](const PendingView& each) { return each.name == name; });
    if (sql_.has_table(name))
        return problem(file.text.error(at, fmt::format("view {0} would hide the table {0}", name)));
    if (source.replaces && !file.file.users)
        return problem(file.text.error(at, "`replaces` is for views in /etc/waggle"));
    if (source.replaces && same == pending.end())
        return problem(file.text.error(at, fmt::format("view {} replaces none of this build", name)));
    if (same != pending.end() && !source.replaces) {
        const ViewSource& first = same->sources.back();
        return problem(file.text.error(
            at,
            fmt::format("view {} is already there: {}:{}{}", name, escape_control(first.file->file.path),
                        first.node->at.line, file.file.users ? "; `replaces: yes` takes its place" : "")));
    }
    if (same != pending.end())
        same->sources.insert(same->sources.begin(), std::move(source));
    else
        pending.push_back({name, {std::move(source)}, {}});
}

// Whether the view is done with: made, or found to be wrong. Else it waits for another.
bool RuleLoader::define(PendingView& view, const std::vector<PendingView>& pending) {
    while (!view.sources.empty()) {
        const ViewSource& source = view.sources.front();
        const YamlText& text = source.file->text;
        auto uses = sql_.check(source.query->text);
        if (!uses) {
            const std::string table = missing_table(uses.error().message);
            view.waits_for = table;
            if (std::any_of(pending.begin(), pending.end(),
                            [&](const PendingView& other) { return other.name == table; }))
                return false;
            problem(text.error(
                sql_.error_offset() ? text.inside(*source.query, *sql_.error_offset()) : source.query->at,
                fmt::format("`query`: {}", uses.error().message)));
        } else if (auto fits = ViewReader(*source.file).check_columns(source, uses->columns); !fits) {
            problem(fits.error());
        } else if (!keeps_columns(view, uses->columns)) {
            // named there
        } else if (auto added = sql_.add_view(view.name, source.query->text, *uses); !added) {
            problem(text.error(source.query->at, fmt::format("`query`: {}", added.error().message)));
        } else {
            made(view.name, source, *uses);
            return true;
        }
        view.sources.erase(view.sources.begin());
    }
    broken_views_.insert(view.name);
    return true;
}

// A view that takes another's place must give what the rules that read it need.
bool RuleLoader::keeps_columns(const PendingView& view, const std::vector<std::string>& columns) {
    if (view.sources.size() < 2) return true;
    const auto before = sql_.check(view.sources[1].query->text);
    if (!before) return true;
    for (const std::string& column : before->columns)
        if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
            const ViewSource& source = view.sources.front();
            problem(source.file->text.error(
                source.query->at,
                fmt::format("the view it replaces has a column {}, which rules may read", column)));
            return false;
        }
    return true;
}

void RuleLoader::made(const std::string& name, const ViewSource& source, const Sql::Uses& uses) {
    RuleBook::View view;
    view.name = name;
    view.meaning = source.means;
    view.query = std::string(trim(source.query->text));
    view.file = std::string(source.file->file.path);
    view.line = source.node->at.line;
    view.users = source.file->file.users;
    view.lists = source.lists;
    view.reads = uses.tables;
    view.reads.insert(view.reads.end(), uses.views.begin(), uses.views.end());
    for (const std::string& column : uses.columns) {
        const auto said = source.columns.find(column);
        view.columns.push_back({column,
                                said != source.columns.end() ? said->second : meaning_of(column, uses.named),
                                unit_of_name(column)});
    }
    state_->views.push_back(std::move(view));
}

// A column that keeps its name keeps its meaning, where all that have it agree.
std::string RuleLoader::meaning_of(const std::string& column, const std::vector<std::string>& reads) const {
    std::set<std::string> meanings;
    for (const std::string& read : reads) {
        if (const auto meaning = sql_.meaning_of(read, column)) meanings.emplace(*meaning);
        for (const RuleBook::View& view : state_->views)
            if (view.name == read)
                for (const RuleBook::ViewColumn& each : view.columns)
                    if (each.name == column) meanings.insert(each.meaning);
    }
    return meanings.size() == 1 ? *meanings.begin() : std::string();
}

void RuleLoader::name_circles(const std::vector<PendingView>& pending) {
    const auto find = [&](std::string_view name) {
        return std::find_if(pending.begin(), pending.end(),
                            [&](const PendingView& each) { return each.name == name; });
    };
    std::set<std::string> in_circle;
    for (const PendingView& start : pending) {
        std::vector<std::string> path{start.name};
        for (bool seen = false; !seen;) {
            const auto next = find(find(path.back())->waits_for);
            if (next == pending.end()) break;
            seen = std::find(path.begin(), path.end(), next->name) != path.end();
            path.push_back(next->name);
        }
        broken_views_.insert(start.name);
        const ViewSource& source = start.sources.front();
        if (path.back() == start.name && path.size() > 1) {
            if (!in_circle.contains(start.name))
                problem(source.file->text.error(
                    source.query->at, fmt::format("views go in a circle: {}", fmt::join(path, " -> "))));
            in_circle.insert(path.begin(), path.end());
        } else {
            problem(source.file->text.error(source.query->at,
                                            fmt::format("view {} is not in use", start.waits_for)));
        }
    }
}

}  // namespace waggle::explain
