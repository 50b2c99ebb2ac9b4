// SPDX-License-Identifier: Apache-2.0
#include "explain/rules/rule_sources.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "explain/measure.h"
#include "explain/rules/rule_sql.h"

namespace waggle::explain {
namespace {

constexpr std::array<std::string_view, 5> view_keys = {"view", "means", "columns", "query", "replaces"};
constexpr std::array<std::string_view, 2> list_keys = {"means", "words"};
constexpr std::array<std::string_view, 2> list_change_keys = {"add", "remove"};

}  // namespace

std::pair<std::string, ViewSource> ViewReader::read(const YamlNode& node,
                                                    std::span<const std::string_view> lists) {
    ViewSource out{&parsed_, &node, nullptr, {}, {}, {}, false};
    if (node.kind != YamlNode::Kind::map) {
        fail(node.at, fmt::format("a view begins with `- view: name`; here stands {}", kind_name(node.kind)));
        return {};
    }
    only_keys(node, view_keys, "a view");
    for (const std::string_view key : {"view", "means", "query"})
        if (!node.find(key)) fail(node.at, fmt::format("a view lacks `{}`", key));
    if (error_) return {};
    std::string name = this->name(*node.find("view"), "view");
    out.means = sentence(*node.find("means"), "means");
    out.query = node.find("query");
    text(*out.query, "query");
    if (const YamlNode* columns = node.find("columns"); columns && group(*columns, "columns"))
        for (std::size_t i = 0; i < columns->keys.size(); ++i)
            out.columns[columns->keys[i].text] = sentence(columns->items[i], columns->keys[i].text);
    if (const YamlNode* replaces = node.find("replaces")) out.replaces = yes_or_no(*replaces, "replaces");
    std::optional<ListUse> fault;
    for (const ListUse& use : lists_in(out.query->text, fault)) {
        if (std::find(lists.begin(), lists.end(), use.name) == lists.end())
            fail(file_.inside(*out.query, use.offset),
                 fmt::format("no list is called {}{}", escape_control(use.name),
                             did_you_mean(use.name, lists)));
        out.lists.push_back(use.name);
    }
    if (fault) fail(file_.inside(*out.query, fault->offset), fault->name);
    return {std::move(name), std::move(out)};
}

Result<void> ViewReader::check_columns(const ViewSource& view, const std::vector<std::string>& columns) {
    if (const YamlNode* given = view.node->find("columns"))
        for (const YamlNode& key : given->keys)
            if (std::find(columns.begin(), columns.end(), key.text) == columns.end())
                fail(key.at, fmt::format("the view gives no column {}{}", escape_control(key.text),
                                         did_you_mean(key.text, views_of(columns))));
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (std::find(columns.begin(), columns.begin() + static_cast<std::ptrdiff_t>(i), columns[i]) !=
            columns.begin() + static_cast<std::ptrdiff_t>(i))
            fail(view.query->at, fmt::format("the view gives two columns named {}; rename one with AS",
                                             escape_control(columns[i])));
    if (error_) return *error_;
    return {};
}

std::vector<std::string> ListReader::words_of(const YamlNode& node, std::string_view key) {
    if (!list(node, key)) return {};
    return words(&node, key);
}

void ListReader::whole(const YamlNode& node, RuleBook::List& out) {
    if (!group(node, out.name)) return;
    only_keys(node, list_keys, "a list");
    for (const std::string_view key : list_keys)
        if (!node.find(key)) fail(node.at, fmt::format("list {} lacks `{}`", out.name, key));
    if (error_) return;
    out.meaning = sentence(*node.find("means"), "means");
    out.words = words_of(*node.find("words"), "words");
}

void ListReader::change(const YamlNode& node, RuleBook::List& out) {
    std::vector<std::string> add, remove;
    if (node.kind == YamlNode::Kind::list) {
        add = words_of(node, out.name);
    } else {
        if (!group(node, out.name)) return;
        only_keys(node, list_change_keys, "a change of a list");
        if (const YamlNode* more = node.find("add")) add = words_of(*more, "add");
        if (const YamlNode* less = node.find("remove")) {
            remove = words_of(*less, "remove");
            for (std::size_t i = 0; i < remove.size(); ++i)
                if (std::find(out.words.begin(), out.words.end(), remove[i]) == out.words.end())
                    fail(less->items[i].at,
                         fmt::format("list {} has no word {}{}", out.name, escape_control(remove[i]),
                                     did_you_mean(remove[i], views_of(out.words))));
        }
    }
    if (error_) return;
    std::erase_if(out.words, [&](const std::string& word) {
        return std::find(remove.begin(), remove.end(), word) != remove.end();
    });
    for (std::string& word : add)
        if (std::find(out.words.begin(), out.words.end(), word) == out.words.end())
            out.words.push_back(std::move(word));
}

SentenceParts PartsReader::read(const YamlNode& node) {
    SentenceParts out;
    if (!group(node, parts_key)) return out;
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
        const std::string key = name(node.keys[i], parts_key);
        const YamlNode& value = node.items[i];
        out[key] = one_or_list(value, key, [&](const YamlNode& each) { return sentence(each, key); });
    }
    return out;
}

namespace {

class LimitReader : public YamlReader {
  public:
    LimitReader(const YamlText& file, std::string_view path) : YamlReader(file), path_(path) {}
    void read(const YamlNode& root, LimitOverrides& out);

  private:
    std::string_view path_;
};

void LimitReader::read(const YamlNode& root, LimitOverrides& out) {
    if (!group(root, "limits")) return;
    for (std::size_t i = 0; i < root.keys.size(); ++i) {
        if (!group(root.items[i], root.keys[i].text)) return;
        for (std::size_t k = 0; k < root.items[i].keys.size(); ++k) {
            const YamlNode& key = root.items[i].keys[k];
            const std::string written = text(root.items[i].items[k], key.text);
            const auto measure = measure_of(written);
            if (error_) return;
            if (!measure)
                return fail(root.items[i].items[k].at,
                            fmt::format("{} is no measure; write a number with its unit, as 3, 60s, 64KiB, "
                                        "40% or 10/s",
                                        escape_control(written)));
            out[root.keys[i].text][key.text] = {
                *measure, written, fmt::format("{}:{}:{}", escape_control(path_), key.at.line, key.at.column),
                false};
        }
    }
}

}  // namespace

Result<void> read_limit_overrides(const YamlText& file, std::string_view path, const YamlNode& root,
                                  LimitOverrides& out) {
    LimitReader reader(file, path);
    LimitOverrides read;
    reader.read(root, read);
    if (reader.error()) return *reader.error();
    for (auto& [rule, limits] : read)
        for (auto& [name, limit] : limits) out[rule][name] = std::move(limit);
    return {};
}

}  // namespace waggle::explain
