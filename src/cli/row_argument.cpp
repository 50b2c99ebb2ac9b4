// SPDX-License-Identifier: Apache-2.0
#include "cli/row_argument.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/event_sources.h"
#include "agent/rule_book.h"
#include "base/namespace_entry.h"
#include "base/text.h"
#include "base/units.h"
#include "host/netns.h"
#include "render/json.h"

namespace waggle::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t most_explanations = 20;

RowValue value_of(const Json& json) {
    if (json.is_boolean()) return json.get<bool>();
    if (json.is_number_unsigned() && json.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
        return json.get<double>();
    if (json.is_number_integer()) return json.get<std::int64_t>();
    if (json.is_number()) return json.get<double>();
    if (json.is_string()) return json.get<std::string>();
    return {};  // null, and distributions
}

// The table that a row names itself, and then the key is no column: packet_drop has a column `source`.
std::string named_source(const Json& row, std::span<const agent::EventSource> sources, std::string& key) {
    for (const char* wanted : {"table", "source"}) {
        const auto found = row.find(wanted);
        if (found == row.end() || !found->is_string()) continue;
        const std::string name = found->get<std::string>();
        if (std::ranges::find(sources, name, &agent::EventSource::name) == sources.end()) continue;
        key = wanted;
        return name;
    }
    return {};
}

Result<NamedRow> row_of(const Json& json, std::span<const agent::EventSource> sources) {
    if (!json.is_object())
        return Error{"a row is an object: {\"table\": ..., COLUMN: VALUE, ...}", ErrorKind::usage};
    NamedRow out;
    std::string key;
    out.source = named_source(json, sources, key);
    std::vector<std::string> columns;
    for (const auto& [name, value] : json.items()) {
        if (name == key) continue;
        columns.push_back(name);
        out.columns.emplace_back(name, value_of(value));
    }
    if (!out.source.empty()) return out;
    std::erase(columns, "says");  // of trace --say
    Result<std::string> source = agent::source_of_columns(sources, columns);
    if (!source) return source.error();
    out.source = std::move(*source);
    return out;
}

// One object, a list of them, or one a line.
Result<std::vector<Json>> objects_in(std::string_view text) {
    std::vector<Json> out;
    Json whole = Json::parse(text, nullptr, false);
    if (whole.is_array()) {
        for (Json& each : whole) out.push_back(std::move(each));
        return out;
    }
    if (!whole.is_discarded()) {
        out.push_back(std::move(whole));
        return out;
    }
    std::size_t number = 0;
    for (const std::string_view line : split(text, '\n')) {
        ++number;
        if (trim(line).empty()) continue;
        Json json = Json::parse(line, nullptr, false);
        if (json.is_discarded()) return Error{fmt::format("line {} is no JSON", number), ErrorKind::usage};
        out.push_back(std::move(json));
    }
    return out;
}

// The namespace that a row is of, where it is not the one this runs in.
std::optional<facts::NetworkNamespace> other_namespace(const NamedRow& row) {
    const auto column = std::ranges::find(row.columns, "netns", [](const auto& each) { return each.first; });
    const auto* netns = column == row.columns.end() ? nullptr : std::get_if<std::int64_t>(&column->second);
    if (!netns || *netns == 0) return std::nullopt;
    const std::vector<facts::NetworkNamespace> all = facts::network_namespaces({});
    const auto found = std::ranges::find(all, *netns, &facts::NetworkNamespace::inode);
    if (found == all.end() || found->own) return std::nullopt;
    return *found;
}

// Commands that look at the network look at that of the namespace they run in.
void run_there(std::vector<std::string>& commands, const facts::NetworkNamespace& netns) {
    constexpr std::string_view looking[] = {
        "arp", "bridge", "conntrack", "dig",        "ethtool", "getent", "ip", "ip6tables", "iptables",
        "nft", "nstat",  "ping",      "resolvectl", "ss",      "sysctl", "tc", "tcpdump",   "tracepath"};
    for (std::string& command : commands)
        if (std::ranges::find(looking, command.substr(0, command.find(' '))) != std::end(looking))
            command.insert(0, namespace_entry(netns.name, netns.path));
}

}  // namespace

bool is_json(std::string_view text) {
    text = trim(text);
    return text.starts_with('{') || text.starts_with("[{");
}

int explain_rows(std::string_view json, const Options& options) {
    const Result<Explainer> explainer =
        Explainer::open({options.language, std::string(agent::user_rule_folder)});
    if (!explainer) return fail(explainer.error());
    const Result<std::vector<Json>> objects = objects_in(json);
    if (!objects) return fail(objects.error());
    const std::vector<agent::EventSource> sources = agent::event_sources();
    std::vector<NamedRow> rows;
    for (const Json& each : *objects) {
        Result<NamedRow> row = row_of(each, sources);
        if (!row) return fail(row.error());
        rows.push_back(std::move(*row));
    }
    std::vector<const NamedRow*> told;
    std::size_t left_out = 0;
    for (const NamedRow& row : rows) {
        if (std::ranges::any_of(told, [&](const NamedRow* other) { return explainer->alike(*other, row); }))
            continue;
        if (told.size() == most_explanations) {
            ++left_out;
            continue;
        }
        const bool figures = std::ranges::find(sources, row.source, &agent::EventSource::name)->figures;
        Result<Explained> explained =
            figures ? explainer->explain_performance(row) : explainer->explain_event(row, rows);
        if (!explained) return fail(explained.error());
        if (const auto netns = other_namespace(row)) {
            run_there(explained->try_, *netns);
            run_there(explained->check, *netns);
        }
        const std::string text = options.json ? sinks::explained_json(row.source, *explained) + "\n"
                                              : sinks::render_explained(*explained, style_of_stdout());
        if (!print((told.empty() || options.json ? "" : "\n") + text)) return exit_failed;
        told.push_back(&row);
    }
    if (left_out > 0)
        print_error(fmt::format("waggle: {} more are not explained: the first {} are.\n",
                                counted(left_out, "row"), most_explanations));
    return exit_fine;
}

}  // namespace waggle::cli
