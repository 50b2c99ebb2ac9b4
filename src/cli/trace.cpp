// SPDX-License-Identifier: Apache-2.0
// trace, top and hist: the rows themselves.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/sources.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/result_table.h"
#include "cli/row_sayer.h"
#include "render/json.h"
#include "render/layout.h"
#include "render/result_text.h"
#include "render/row_printer.h"

namespace waggle::cli {

bool is_events(const Schema& schema) {
    return !schema.is_state &&
           std::none_of(schema.fields.begin(), schema.fields.end(),
                        [](const Field& field) { return (field.traits & trait_cumulative) != 0; });
}

namespace {

// Of a sensor of which tables are named, these alone; else all but those that are made only then.
bool is_asked_for(const Schema& schema, const Source& source, const Options& options) {
    const auto is_named = [&](const Schema* one) {
        return std::ranges::find(options.tables, one->name) != options.tables.end();
    };
    return is_named(&schema) || (!schema.only_named && std::ranges::none_of(source.schemas, is_named));
}

bool has_distributions(const Schema& schema) {
    return std::ranges::any_of(schema.fields, &Field::is_distribution);
}

// The names of the sources that a command is about: those it names, else those an option asks for.
std::vector<std::string> wanted_sources(const Options& options) {
    std::vector<std::string> names = options.words;
    if (names.empty())
        for (const Source* source : asked_sources(options)) names.emplace_back(source->name);
    return names;
}

// A screen of the busiest keeps one line a row: the last columns go where there is no room for them.
void leave_out_what_does_not_fit(explain::ResultSet& result) {
    const sinks::Columns texts = sinks::columns_of_result(result);
    std::size_t width = 0, fit = 0;
    for (; fit < texts.head.size(); ++fit) {
        std::size_t column = sinks::display_width(texts.head[fit]);
        for (const auto& row : texts.rows) column = std::max(column, sinks::display_width(row[fit]));
        width += column + 2;
        if (width > style_of_table().width + 2) break;
    }
    result.columns.resize(std::max<std::size_t>(fit, 1));
    for (auto& row : result.rows) row.resize(result.columns.size());
}

// A source that cannot do what `command` does is told so before anything is watched, with those that can; one that
// runs on request needs to know what it watches, and for hist what it keeps.
std::optional<Error> lacking(const Options& options, std::string_view command) {
    for (const std::string& table : options.tables)
        for (const Schema* schema : agent::source_of_table(table)->schemas) {
            if (schema->name != table) continue;
            if (command == "trace" && !is_events(*schema))
                return Error{fmt::format("{} counts and has no single events; waggle query asks it", table),
                             ErrorKind::usage};
            if (command == "hist" && !has_distributions(*schema))
                return Error{fmt::format("{} keeps no distribution; waggle query asks it", table),
                             ErrorKind::usage};
        }
    const std::vector<std::string_view>& able = command_named(command).words;
    for (const std::string& name : options.words) {
        const Source* source = agent::source_named(name);
        if (!source || std::ranges::find(able, name) != able.end()) continue;
        if (!agent::needs_place(*source))
            return Error{fmt::format("the sensor {} has no {}; these have one: {}", name, command,
                                     fmt::join(able, ", ")),
                         ErrorKind::usage};
        if (!options.values.given(*source->asked_by))
            return Error{fmt::format("{} must know what to watch: waggle {} --{} {}", name, command,
                                     source->asked_by->name, source->asked_by->argument),
                         ErrorKind::usage};
    }
    if (command != "hist") return std::nullopt;
    for (const Source* source : asked_sources(options))
        for (const SourceOption& option : source->options)
            if (option.name == "hist" && !options.values.given(option))
                return Error{fmt::format("hist --{} {} needs --hist {}, the field to keep a distribution of",
                                         source->asked_by->name, source->asked_by->argument, option.argument),
                             ErrorKind::usage};
    return std::nullopt;
}

}  // namespace

int run_trace(const Options& options) {
    if (const auto without = lacking(options, "trace")) return fail(*without);
    const Result<agent::SessionOptions> wanted =
        session_options(options, wanted_sources(options), Mode::events);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const SystemClock clock;
    std::vector<const Schema*> schemas;
    for (const agent::Session::Started& each : session.sources())
        for (const Schema* schema : each.running->schemas())
            if (is_events(*schema) && is_asked_for(*schema, *each.source, options)) schemas.push_back(schema);
    RowPrinter printer(
        {options.json, clock.realtime_ns() - clock.monotonic_ns(), options.fields, schemas.size() > 1},
        session.store().lookup());
    if (auto known = printer.check_fields(schemas); !known) return fail(known.error());
    Result<RowSayer> sayer =
        RowSayer::open(options, clock.realtime_ns() - clock.monotonic_ns(), session.store().lookup());
    if (!sayer) return fail(sayer.error());
    std::uint64_t shown = 0;
    print_rows(session, options, [&](const Row& row, std::string& text) {
        if (std::ranges::find(schemas, &row.schema()) == schemas.end()) return false;
        if (options.say)
            sayer->add(row, text);
        else
            printer.add(row, text);
        ++shown;
        return true;
    });
    if (options.json) print(sinks::losses_json_lines(session.coverage()));
    print_error(fmt::format("{}, {}.\n", counted(shown, "row"), loss_words(session.coverage())));
    return exit_fine;
}

int run_top(const Options& options) {
    if (const auto without = lacking(options, "top")) return fail(*without);
    Result<agent::SessionOptions> wanted = session_options(options, wanted_sources(options), Mode::aggregate);
    if (!wanted) return fail(wanted.error());
    const bool redraws = stdout_is_terminal() && !options.json;
    if (redraws && !options.for_ns) wanted->sliding_window_ns = 5'000'000'000;
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const Source& source = *session.sources().front().source;
    const std::string_view query = source.top_query;
    if (query.empty()) return fail({fmt::format("{} has no top", source.name), ErrorKind::usage});
    const Result<explain::Sql::Uses> uses = session.store().sql().check(query);
    if (!uses) return fail(uses.error());
    if (auto sorts = check_sort(uses->columns, options); !sorts) return fail(sorts.error());
    Error problem;
    bool ended = false;
    const auto show = [&](bool last) {
        session.store().begin_moment(session.window(), 0);
        Result<explain::ResultSet> result = session.store().sql().query(query);
        if (!result) {
            problem = result.error();
            ended = true;
            return;
        }
        sort_and_cut(*result, options, 20);
        if (!options.json) leave_out_what_does_not_fit(*result);
        if (!print((redraws && !last ? "\033[H\033[2J" : "") + result_text(*result, options))) ended = true;
    };
    agent::Callbacks callbacks;
    // A terminal is redrawn each second; a pipe gets the result once, at the end.
    if (redraws) callbacks.second = [&] { show(false); };
    callbacks.done = [&] { return ended; };
    session.run(end_of(session, options), interrupted, callbacks);
    if (!ended) show(true);
    if (!problem.message.empty()) return fail(problem);
    print_losses(session.whole_coverage(), options);
    return exit_fine;
}

int run_hist(const Options& options) {
    if (const auto without = lacking(options, "hist")) return fail(*without);
    const Result<agent::SessionOptions> wanted =
        session_options(options, wanted_sources(options), Mode::aggregate);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const Source& source = *session.sources().front().source;
    const std::span<const Schema* const> schemas = session.sources().front().running->schemas();
    if (std::ranges::none_of(schemas, [](const Schema* schema) { return has_distributions(*schema); }))
        return fail({fmt::format("sensor {} keeps no distribution", source.name), ErrorKind::usage});
    session.run(options.for_ns ? end_of(session, options) : session.started_ns() + 10'000'000'000,
                interrupted, {});
    for (const Schema* schema : schemas) {
        if (!is_asked_for(*schema, source, options)) continue;
        for (const Field& field : schema->fields) {
            if (!field.is_distribution()) continue;
            explain::Histogram histogram;
            session.store().table(schema->name)->each([&](const Row& row) {
                histogram.add(row.histogram(field));
            });
            if (!print(options.json ? sinks::histogram_json(field.name, histogram, options.lines) + "\n"
                                    : sinks::render_histogram(field.name, field.meaning, field.unit,
                                                              histogram, options.lines, style_of_stdout())))
                return exit_failed;
        }
    }
    print_losses(session.coverage(), options);
    return exit_fine;
}

}  // namespace waggle::cli
