// SPDX-License-Identifier: Apache-2.0
// trace, top, hist and query: the rows themselves.
#include <fmt/core.h>

#include <algorithm>

#include "agent/replay.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "cli/row_printer.h"
#include "sinks/json.h"
#include "sinks/layout.h"
#include "sinks/result_text.h"

namespace waggle::cli {
namespace {

// A schema of counters is read as snapshots; trace shows the single events beside it.
bool is_events(const Schema& schema) {
    return std::none_of(schema.fields.begin(), schema.fields.end(),
                        [](const Field& field) { return (field.traits & trait_cumulative) != 0; });
}

// "1,234 lost (process: 1,234 ring full)"; "0 lost" where nothing was.
std::string loss_words(const agent::Session& session) {
    std::uint64_t lost = 0;
    std::string causes;
    for (const explain::SensorCoverage& part : session.coverage())
        for (const Loss& loss : part.lost) {
            if (loss.count == 0) continue;
            lost += loss.count;
            causes += fmt::format("{}{}: {} {}", causes.empty() ? " (" : ", ", part.sensor,
                                  format_count(static_cast<std::int64_t>(loss.count)), loss.cause);
        }
    if (!causes.empty()) causes += ")";
    return fmt::format("{} lost{}", format_count(static_cast<std::int64_t>(lost)), causes);
}

std::string loss_sentence(const agent::Session& session) {
    std::uint64_t seen = 0;
    for (const explain::SensorCoverage& part : session.coverage()) seen += part.seen;
    return fmt::format("{}, {}.\n", counted(seen, "row"), loss_words(session));
}

std::uint64_t end_of(const agent::Session& session, const Options& options) {
    return options.for_ns ? session.started_ns() + options.for_ns : UINT64_MAX;
}

Sensor& only_sensor(const agent::Session& session) { return *session.sensors().front(); }

void sort_and_cut(explain::ResultSet& result, const Options& options, std::size_t default_rows) {
    if (!options.sort.empty())
        if (const auto column = result.column(options.sort))
            std::stable_sort(result.rows.begin(), result.rows.end(), [&](const auto& a, const auto& b) {
                const explain::Cell &left = a[*column], &right = b[*column];
                if (left.kind == Value::Kind::text && right.kind == Value::Kind::text)
                    return left.text < right.text;
                return left.number() > right.number();
            });
    const std::size_t most = options.rows ? options.rows : default_rows;
    if (result.rows.size() > most) {
        result.rows.resize(most);
        result.cut = true;
    }
}

// A pipe has no width to keep to.
sinks::TerminalStyle style_of_table() {
    sinks::TerminalStyle style = style_of_stdout();
    if (!stdout_is_terminal()) style.width = 100'000;
    return style;
}

std::string result_text(const explain::ResultSet& result, const Options& options) {
    return options.json ? sinks::result_json_lines(result) : sinks::render_result(result, style_of_table());
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

}  // namespace

int run_trace(const Options& options) {
    const Result<agent::SessionOptions> wanted = session_options(options, options.words, Mode::events);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const SystemClock clock;
    std::vector<const Schema*> schemas;
    for (const auto& sensor : session.sensors())
        for (const Schema* schema : sensor->schemas())
            if (is_events(*schema)) schemas.push_back(schema);
    RowPrinter printer(
        {options.json, clock.realtime_ns() - clock.monotonic_ns(), options.fields, schemas.size() > 1},
        session.store().lookup());
    if (auto known = printer.check_fields(schemas); !known) return fail(known.error());
    std::uint64_t printed = 0;
    bool ended = false;
    std::string text;
    agent::Callbacks callbacks;
    callbacks.rows = [&](std::span<const Row> rows) {
        text.clear();
        for (const Row& row : rows) {
            if (ended || !is_events(row.schema())) continue;
            printer.add(row, text);
            ended = options.rows != 0 && ++printed == options.rows;
        }
        if (!text.empty() && !print(text)) ended = true;
    };
    callbacks.done = [&] { return ended; };
    session.run(end_of(session, options), interrupted, callbacks);
    if (!options.json) fmt::print(stderr, "{}", loss_sentence(session));
    return exit_fine;
}

int run_top(const Options& options) {
    Result<agent::SessionOptions> wanted = session_options(options, options.words, Mode::aggregate);
    if (!wanted) return fail(wanted.error());
    wanted->sliding_window_ns = 5'000'000'000;
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const std::string_view query = only_sensor(session).top_query();
    if (query.empty())
        return fail({fmt::format("sensor {} has no top; try waggle trace {}", options.words.front(),
                                 options.words.front()),
                     ErrorKind::usage});
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
        const bool redraw = stdout_is_terminal() && !options.json && !last;
        if (!print((redraw ? "\033[H\033[2J" : "") + result_text(*result, options))) ended = true;
    };
    agent::Callbacks callbacks;
    // A terminal is redrawn each second; a pipe gets the result once, at the end.
    if (stdout_is_terminal() && !options.json) callbacks.second = [&] { show(false); };
    callbacks.done = [&] { return ended; };
    session.run(end_of(session, options), interrupted, callbacks);
    if (!ended) show(true);
    if (!problem.message.empty()) return fail(problem);
    return exit_fine;
}

int run_hist(const Options& options) {
    const Result<agent::SessionOptions> wanted = session_options(options, options.words, Mode::aggregate);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    bool any = false;
    for (const Schema* schema : only_sensor(session).schemas())
        for (const Field& field : schema->fields) any |= field.type == Type::histogram;
    if (!any)
        return fail(
            {fmt::format("sensor {} keeps no distribution", options.words.front()), ErrorKind::usage});
    session.run(options.for_ns ? end_of(session, options) : session.started_ns() + 10'000'000'000,
                interrupted, {});
    for (const Schema* schema : only_sensor(session).schemas()) {
        for (const Field& field : schema->fields) {
            if (field.type != Type::histogram) continue;
            std::vector<std::uint64_t> slots(field.size / 8, 0);
            session.store().table(schema->name)->each([&](const Row& row) {
                for (std::size_t i = 0; i < slots.size(); ++i)
                    slots[i] += load<std::uint64_t>(row.bytes(), field.offset + 8 * i);
            });
            if (!print(options.json ? sinks::histogram_json(field.name, slots) + "\n"
                                    : sinks::render_histogram(field.name, field.meaning, field.unit, slots,
                                                              style_of_stdout())))
                return exit_fine;
        }
    }
    return exit_fine;
}

int run_query(const Options& options) {
    const std::string& sql = options.words.front();
    const std::size_t most = options.rows ? options.rows : 10'000;
    if (!options.recording.empty() && !options.script.empty())
        return fail({"--recording asks what was, --bpftrace what is: one of them", ErrorKind::usage});
    Result<explain::ResultSet> result = Error{};
    std::vector<std::string> problems;
    std::string lost;
    bool whole = true;
    if (!options.recording.empty()) {
        Result<std::unique_ptr<agent::Replay>> replay = agent::Replay::open(options.recording);
        if (!replay) return fail(replay.error());
        if (!(*replay)->problem().empty())
            fmt::print(stderr, "waggle: {}; what stands before it is asked.\n", (*replay)->problem());
        result = (*replay)->store().sql().query(sql, {}, most);
    } else {
        const Result<agent::SessionOptions> wanted = session_options(options, {}, Mode::events);
        if (!wanted) return fail(wanted.error());
        Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
        if (!started) return fail(started.error());
        agent::Session& session = **started;
        // A wrong statement is said at once, not after the watching.
        const Result<explain::Sql::Uses> uses = session.store().sql().check(sql);
        if (!uses) return fail({uses.error().message, ErrorKind::usage});
        session.read_baseline_of(uses->tables);
        const bool live_rows =
            std::any_of(uses->tables.begin(), uses->tables.end(),
                        [&](const std::string& table) { return session.store().table(table) != nullptr; });
        const std::uint64_t default_ns = live_rows ? 3'000'000'000 : 0;
        session.run(session.started_ns() + (options.for_ns ? options.for_ns : default_ns), interrupted, {});
        const explain::Window window = session.window();
        session.store().begin_moment(window,
                                     window.from_ns - std::min<std::uint64_t>(window.from_ns, 1'000'000'000));
        result = session.store().sql().query(sql, {}, most);
        problems = session.problems();
        whole = std::ranges::none_of(session.sensors(), script_failed);
        lost = loss_words(session);
        if (lost == "0 lost") lost.clear();
    }
    if (!result) return fail({result.error().message, ErrorKind::usage});
    print(result_text(*result, options));
    if (result->cut) fmt::print(stderr, "waggle: only the first {} rows; --rows N gives more.\n", most);
    for (const std::string& problem : problems) fmt::print(stderr, "waggle: {}.\n", problem);
    if (!lost.empty()) fmt::print(stderr, "waggle: these rows are not all: {}.\n", lost);
    return whole ? exit_fine : exit_failed;
}

}  // namespace waggle::cli
