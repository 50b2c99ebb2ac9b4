// SPDX-License-Identifier: Apache-2.0
// query: the tables of this machine or of a recording, asked in SQL.
#include <fmt/core.h>

#include <algorithm>

#include "agent/replay.h"
#include "agent/sources.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/result_table.h"
#include "render/json.h"

namespace waggle::cli {
namespace {

constexpr std::size_t default_rows = 10'000;
constexpr std::uint64_t default_watch_ns = 3'000'000'000;

// A wrong statement is said at once, not after the watching.
Result<explain::Sql::Uses> checked(explain::Sql& sql, const Options& options) {
    Result<explain::Sql::Uses> uses = sql.check(options.words.front());
    if (!uses) return Error{uses.error().message, ErrorKind::usage};
    if (auto sorts = check_sort(uses->columns, options); !sorts) return sorts.error();
    return uses;
}

// Asks, sorts and prints. All rows are asked for where they are to be sorted before they are cut.
int ask(explain::Sql& sql, const Options& options) {
    const std::size_t most = options.rows ? options.rows : default_rows;
    Result<explain::ResultSet> result =
        sql.query(options.words.front(), {}, options.sort.empty() ? most : SIZE_MAX);
    if (!result) return fail({result.error().message, ErrorKind::usage});
    sort_and_cut(*result, options, default_rows);
    print(result_text(*result, options));
    if (result->cut) print_error(fmt::format("waggle: only the first {} rows; --rows N gives more.\n", most));
    return exit_fine;
}

int ask_recording(const Options& options) {
    const Result<std::unique_ptr<agent::Replay>> replay = agent::Replay::open_whole(options.recording);
    if (!replay) return fail(replay.error());
    if (!(*replay)->problem().empty())
        print_error(fmt::format("waggle: {}; what stands before it is asked.\n", (*replay)->problem()));
    explain::Sql& sql = (*replay)->store().sql();
    if (const auto uses = checked(sql, options); !uses) return fail(uses.error());
    return ask(sql, options);
}

// What the question is about of what is watched.
struct Watching {
    bool all = false;                 // a table that rests on every sensor
    std::vector<std::string> tables;  // of rows
};

bool has_table(std::span<const Schema* const> schemas, std::string_view name) {
    return std::ranges::find(schemas, name, &Schema::name) != schemas.end();
}

Watching watched_by(agent::Session& session, const explain::Sql::Uses& uses) {
    Watching out;
    for (const std::string& name : uses.tables) {
        const bool fixed = std::ranges::any_of(
            agent::sources(), [&](const Source* source) { return has_table(source->schemas, name); });
        const bool made = std::ranges::any_of(session.sources(), [&](const agent::Session::Started& each) {
            return has_table(each.running->schemas(), name);
        });
        const bool fact = std::ranges::any_of(session.store().facts(),
                                              [&](const auto& each) { return each->schema().name == name; });
        if (fixed || made)
            out.tables.push_back(name);
        else if (!fact && session.store().relation(name))
            out.all = true;
    }
    return out;
}

// Whether single events are asked about; what is only counted costs less.
bool wants_events(const Watching& watched) {
    if (watched.all) return true;
    return std::ranges::any_of(agent::sources(), [&](const Source* source) {
        return std::ranges::any_of(source->schemas, [&](const Schema* schema) {
            return is_events(*schema) &&
                   std::ranges::find(watched.tables, schema->name) != watched.tables.end();
        });
    });
}

// Of the sensors that the question is about.
std::vector<explain::SensorCoverage> coverage_of(const agent::Session& session, const Watching& watched) {
    std::vector<explain::SensorCoverage> out = session.coverage();
    std::erase_if(out, [&](const explain::SensorCoverage& part) {
        const auto started = std::ranges::find_if(
            session.sources(),
            [&](const agent::Session::Started& each) { return each.source->name == part.sensor; });
        return !watched.all && started != session.sources().end() &&
               std::ranges::none_of(watched.tables, [&](const std::string& table) {
                   return has_table(started->running->schemas(), table);
               });
    });
    return out;
}

// Older rows that had left the memory before the question was asked.
void tell_evicted(agent::Session& session, const Watching& watched) {
    for (const Table* table : session.store().tables()) {
        const std::string_view name = table->schema().name;
        if (table->evicted() == 0) continue;
        if (!watched.all && std::ranges::find(watched.tables, name) == watched.tables.end()) continue;
        print_error(fmt::format(
            "waggle: {} of {} had left the memory before the question; --memory MIB keeps more.\n",
            counted(table->evicted(), "older row"), name));
    }
}

int ask_sensors(agent::Session& session, const Options& options, const explain::Sql::Uses& uses,
                const Watching& watched) {
    session.read_baseline_of(uses.tables);
    session.run(session.started_ns() + (options.for_ns ? options.for_ns : default_watch_ns), interrupted, {});
    const explain::Window window = session.window();
    session.store().begin_moment(window,
                                 window.from_ns - std::min<std::uint64_t>(window.from_ns, 1'000'000'000));
    if (const int code = ask(session.store().sql(), options); code != exit_fine) return code;
    for (const std::string& problem : session.problems()) print_error(fmt::format("waggle: {}.\n", problem));
    print_losses(coverage_of(session, watched), options);
    tell_evicted(session, watched);
    return std::ranges::none_of(session.sources(), failed_on_request) ? exit_fine : exit_failed;
}

// Nothing is watched, and the kernel decides what may be read.
int ask_facts(agent::Session& session, const Options& options, const explain::Sql::Uses& uses) {
    session.store().begin_moment(session.window(), 0);
    if (options.for_ns) {
        session.read_baseline_of(uses.tables);
        session.run(session.started_ns() + options.for_ns, interrupted, {});
        session.store().begin_moment(session.window(), 0);
    }
    if (const int code = ask(session.store().sql(), options); code != exit_fine) return code;
    for (const std::string& problem : session.problems()) print_error(fmt::format("waggle: {}.\n", problem));
    return exit_fine;
}

// A source that runs on request makes its tables when it starts; what else is watched depends on the question.
Result<std::unique_ptr<agent::Session>> start(const Options& options, agent::SessionOptions& wanted) {
    if (!asked_sources(options).empty()) return start_session(wanted);
    wanted.facts_only = true;
    static const SystemClock clock;
    return agent::Session::start(wanted, clock);
}

}  // namespace

int run_query(const Options& options) {
    const std::vector<const Source*> asked = asked_sources(options);
    if (!options.recording.empty() && !asked.empty())
        return fail({fmt::format("--recording asks what was, --{} what is: one of them",
                                 asked.front()->asked_by->name),
                     ErrorKind::usage});
    if (!options.recording.empty()) return ask_recording(options);
    Result<agent::SessionOptions> wanted = session_options(options, {}, Mode::events);
    if (!wanted) return fail(wanted.error());
    const Result<std::unique_ptr<agent::Session>> started = start(options, *wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const Result<explain::Sql::Uses> uses = checked(session.store().sql(), options);
    if (!uses) return fail(uses.error());
    const Watching watched = watched_by(session, *uses);
    if (asked.empty()) {
        if (!watched.all && watched.tables.empty()) return ask_facts(session, options, *uses);
        if (auto may = check_privilege(); !may) return fail(may.error());
        wanted->start.tables = watched.tables;
        if (!wants_events(watched)) wanted->start.mode = Mode::aggregate;
        for (const Source* source : agent::sources())
            if (std::ranges::any_of(watched.tables, [&](const std::string& table) {
                    return has_table(source->schemas, table);
                }))
                wanted->besides.emplace_back(source->name);
        if (auto sources = session.watch(*wanted); !sources) return fail(sources.error());
    }
    return ask_sensors(session, options, *uses, watched);
}

}  // namespace waggle::cli
