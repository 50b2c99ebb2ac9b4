// SPDX-License-Identifier: Apache-2.0
#include "agent/event_sources.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/rule_workshop.h"
#include "agent/sources.h"
#include "base/nearest.h"
#include "base/text.h"
#include "query/window.h"

namespace waggle::agent {
namespace {

std::vector<explain::GivenTable> tables_with_window() {
    std::vector<explain::GivenTable> tables = all_tables();
    tables.push_back(explain::given_table_of(explain::WindowRelation::window_schema()));
    return tables;
}

// What the queries of `top` and of the live screen give: they are prepared over empty tables.
void add_figures(std::span<const explain::GivenTable> tables, std::vector<EventSource>& out) {
    Result<explain::Sql> sql = explain::Sql::open();
    if (!sql) return;
    for (const explain::GivenTable& table : tables) {
        std::vector<explain::Sql::TableColumn> columns;
        for (const explain::GivenColumn& column : table.columns)
            columns.push_back({column.name, column.meaning, column.sql_type});
        if (!sql->add_rows(table.name, columns)) return;
    }
    for (const Source* room : sources()) {
        for (const auto& [query, ending] :
             {std::pair{room->top_query, "top"}, {room->figures_query, "figures"}}) {
            if (query.empty()) continue;
            const auto uses = sql->check(query);
            if (uses)
                out.push_back({fmt::format("{}_{}", room->name, ending), uses->columns, uses->columns, true});
        }
    }
}

bool same_words(std::span<const std::string> a, std::span<const std::string> b) {
    return a.size() == b.size() && std::is_permutation(a.begin(), a.end(), b.begin());
}

bool has(std::span<const std::string> columns, std::string_view column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
}

// A row of the table in which nothing is known that can be unknown.
NamedRow barest_row(const explain::GivenTable& table) {
    NamedRow row{table.name, {}};
    for (const explain::GivenColumn& column : table.columns) {
        RowValue value;
        if (column.absent.kind == Value::Kind::integer) value = column.absent.integer;
        if (column.absent.kind == Value::Kind::real) value = column.absent.real;
        row.columns.emplace_back(column.name, std::move(value));
    }
    return row;
}

}  // namespace

std::vector<EventSource> event_sources() {
    std::vector<EventSource> out;
    const std::vector<explain::GivenTable> tables = tables_with_window();
    for (const explain::GivenTable& table : tables) {
        EventSource source{table.name, {}, {}, false};
        for (const explain::GivenColumn& column : table.columns) source.columns.push_back(column.name);
        out.push_back(std::move(source));
    }
    for (const Source* room : sources())
        for (const Schema* schema : room->schemas) {
            const auto source =
                std::ranges::find(out, schema->name, [](const EventSource& each) { return each.name; });
            for (const Column& column : columns_of(*schema)) {
                source->whole.emplace_back(column.name);
                if (!column.hidden) source->shown.emplace_back(column.name);
            }
        }
    add_figures(tables, out);
    return out;
}

Result<std::string> source_of_columns(std::span<const EventSource> sources,
                                      std::span<const std::string> columns) {
    std::vector<const EventSource*> fit;
    for (const EventSource& source : sources) {
        for (const auto* all : {&source.columns, &source.shown, &source.whole})
            if (same_words(columns, *all)) return source.name;
        if (!columns.empty() && std::ranges::all_of(columns, [&](const std::string& column) {
                return has(source.columns, column);
            }))
            fit.push_back(&source);
    }
    if (fit.size() == 1) return fit.front()->name;
    if (fit.empty())
        return Error{"no table has these columns; name the one it is of: {\"table\": \"process_exit\", ...}",
                     ErrorKind::usage};
    std::string names;
    for (const EventSource* source : fit) names += (names.empty() ? "" : ", ") + source->name;
    return Error{
        fmt::format("several tables have these columns ({0}); name the one it is of: {{\"table\": \"{1}\", "
                    "...}}",
                    names, fit.front()->name),
        ErrorKind::usage};
}

NamedRow named_row(const Row& row, std::span<const Column> columns, const Lookup& lookup) {
    NamedRow out{std::string(row.schema().name), {}};
    out.columns.reserve(columns.size());
    Value value;
    for (const Column& column : columns) {
        read_column(row, column, lookup, value);
        switch (value.kind) {
            case Value::Kind::null:
            case Value::Kind::blob:
                break;
            case Value::Kind::integer:
                // Beyond the largest of i64 nothing but a number is left.
                if (column.type == Type::u64 && value.integer < 0)
                    out.columns.emplace_back(column.name,
                                             static_cast<double>(static_cast<std::uint64_t>(value.integer)));
                else
                    out.columns.emplace_back(column.name, value.integer);
                break;
            case Value::Kind::real:
                out.columns.emplace_back(column.name, value.real);
                break;
            case Value::Kind::text:
                out.columns.emplace_back(column.name, std::string(value.text));
                break;
        }
    }
    return out;
}

std::vector<std::string> event_complaints(const Explainer& explainer) {
    std::vector<std::string> out = explainer.problems();
    const std::vector<EventSource> sources = event_sources();
    const std::vector<Explainer::Words> words = explainer.words();
    for (const EventSource& source : sources)
        if (std::ranges::none_of(words, [&](const auto& each) { return each.source == source.name; }))
            out.push_back(fmt::format(
                "{} has no sentence for its rows; it stands in events.en.yaml of its folder", source.name));
    for (const Explainer::Words& each : words) {
        const auto source = std::ranges::find(sources, each.source, &EventSource::name);
        if (source == sources.end()) {
            out.push_back(fmt::format("{}: words of {}, but no table is called so", each.file, each.source));
            continue;
        }
        for (const std::string& column : each.columns)
            if (!has(source->columns, column))
                out.push_back(
                    fmt::format("{}: {} has no column {}{}", each.file, each.source, column,
                                did_you_mean(column, std::span<const std::string>(source->columns))));
    }
    for (const explain::GivenTable& table : tables_with_window()) {
        const Result<Explained> said = explainer.explain_event(barest_row(table));
        if (said && said->what == said->evidence.back())
            out.push_back(
                fmt::format("{}: a row in which little is known cannot be said; the last alternative of "
                            "`what` must not name what can be null",
                            table.name));
    }
    return out;
}

}  // namespace waggle::agent
