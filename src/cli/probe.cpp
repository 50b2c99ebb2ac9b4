// SPDX-License-Identifier: Apache-2.0
// probe: one place in the kernel or in a program, watched without writing C.
#include <fmt/core.h>

#include "agent/sources.h"
#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "query/histogram.h"
#include "render/json.h"
#include "render/layout.h"
#include "render/result_text.h"
#include "render/row_printer.h"

namespace waggle::cli {
namespace {

std::string text_of(const Options& options, std::string_view name) {
    const SourceOption* option = agent::option_named(name);
    return option ? std::string(options.values.text(*option)) : std::string();
}

// Who and when; arguments where they were asked for; what came back always.
std::string columns_to_print(const Schema& schema, const Options& options) {
    std::string out = options.json ? "time_ns,pid,tid,comm,cpu" : "time_ns,pid,comm";
    for (const Field& field : schema.fields) {
        const bool of_every_place = field.offset < sizeof(waggle_event) || field.name == "cpu";
        const bool came_back = field.name == "return" || field.name == "latency_ns" || field.name == "stack";
        if (!of_every_place && (options.arguments || came_back)) out += fmt::format(",{}", field.name);
    }
    return out;
}

// What was counted, the most first; a stack goes below its first line.
int print_counts(agent::Session& session, const Options& options) {
    const std::string by = text_of(options, "by");
    const SourceOption* stack = agent::option_named("stack");
    const std::string head = !by.empty() ? by : stack && options.values.yes(*stack) ? "stack" : "comm";
    const Result<explain::ResultSet> counted = session.store().sql().query(
        fmt::format("SELECT times, CASE WHEN key = CAST(value AS TEXT) THEN value ELSE key END AS \"{}\" "
                    "FROM probe_count ORDER BY times DESC, key",
                    head),
        {}, options.rows ? options.rows : 20'000);
    if (!counted) return fail(counted.error());
    if (options.json) {
        print(sinks::result_json_lines(*counted));
        return exit_fine;
    }
    std::string out = fmt::format("{:>12}  {}\n", "times", head);
    for (const auto& row : counted->rows) {
        const std::string key =
            row[1].kind == Value::Kind::text ? std::string(row[1].text) : std::to_string(row[1].integer);
        bool first = true;
        for (const std::string_view line : split(key, '\n')) {
            out +=
                fmt::format("{:>12}  {}\n", first ? format_count(row[0].integer) : "", escape_control(line));
            first = false;
        }
    }
    print(out);
    return exit_fine;
}

void print_histograms(agent::Session& session, const Options& options, const std::string& place) {
    const Table& table = *session.store().table("probe_histogram");
    const Field& values = *table.schema().find("distribution");
    table.each([&](const Row& row) {
        explain::Histogram histogram;
        histogram.add(row.histogram(values));
        const std::string_view field = row.text("field");
        print(options.json ? sinks::histogram_json(field, histogram, options.lines) + "\n"
                           : sinks::render_histogram(field, place, values.unit, histogram, options.lines,
                                                     style_of_stdout()));
        if (const std::uint64_t negative = row.u64("negative"); negative && !options.json)
            print(
                fmt::format("{} values were negative.\n", format_count(static_cast<std::int64_t>(negative))));
    });
}

// How often the place was passed, events or counts.
std::uint64_t times_passed(agent::Session& session) {
    std::uint64_t times = session.coverage().front().seen;
    session.store().table("probe_count")->each([&](const Row& row) { times += row.u64("times"); });
    const Table& table = *session.store().table("probe_histogram");
    table.each([&](const Row& row) {
        HistogramReader slots(row.histogram(*table.schema().find("distribution")));
        std::size_t slot = 0;
        for (std::uint64_t count = 0; slots.next(slot, count);) times += count;
        times += row.u64("negative");
    });
    return times;
}

std::string summary(agent::Session& session) {
    const Running& probe = *session.sources().front().running;
    std::string lost;
    for (const Loss& loss : probe.losses())
        if (loss.count)
            lost += fmt::format(", {} {}", format_count(static_cast<std::int64_t>(loss.count)), loss.cause);
    return fmt::format("{}: {}{}\n", probe.hooks().front().hook, counted(times_passed(session), "time"),
                       lost.empty() ? ", 0 lost" : "; lost" + lost.substr(1));
}

}  // namespace

int run_probe(const Options& said) {
    const Source& probe = *agent::source_named("probe");
    Options options = said;
    if (!options.words.empty())
        if (auto set = options.values.set(*probe.asked_by, options.words.front()); !set)
            return fail(set.error());
    const std::vector<const Source*> asked = asked_sources(options);
    if (asked.size() > 1) return fail({"a place or --bpftrace FILE, not both", ErrorKind::usage});
    if (asked.empty())
        return fail({"probe needs a place, as in waggle probe kprobe:vfs_read, or --bpftrace FILE",
                     ErrorKind::usage});
    if (asked.front() != &probe) return run_script(options);
    const Result<agent::SessionOptions> wanted = session_options(options, {"probe"}, Mode::events);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const SystemClock clock;
    RowPrinter printer({.json = options.json,
                        .realtime_minus_monotonic_ns = clock.realtime_ns() - clock.monotonic_ns(),
                        .fields = columns_to_print(session.store().table("probe")->schema(), options),
                        .named = true},
                       session.store().lookup());
    print_rows(session, options, [&](const Row& row, std::string& text) {
        printer.add(row, text);
        return true;
    });
    for (const std::string& problem : session.sources().front().running->problems())
        print_error(fmt::format("waggle: {}.\n", problem));
    session.store().begin_moment(session.window(), 0);
    const SourceOption* count = agent::option_named("count");
    if (count && options.values.yes(*count))
        if (const int code = print_counts(session, options); code != exit_fine) return code;
    print_histograms(session, options, std::string(options.values.text(*probe.asked_by)));
    if (options.json) print(sinks::losses_json_lines(session.coverage()));
    print_error(summary(session));
    return exit_fine;
}

}  // namespace waggle::cli
