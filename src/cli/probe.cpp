// SPDX-License-Identifier: Apache-2.0
// probe: one place in the kernel or in a program, watched without writing C.
#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

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

// Who and when; what was asked for, or all where --args says so; what came back always.
std::string columns_to_print(const Schema& schema, const Options& options) {
    std::string out = options.json ? "time_ns,pid,tid,comm,cpu" : "time_ns,pid,comm";
    const std::string asked = text_of(options, "show");
    const auto shown = split(asked, ',');
    const auto is_shown = [&](const Field& field) {
        return std::ranges::any_of(shown, [&](std::string_view each) {
            each = trim(each);
            return !each.empty() &&
                   (field.name == each || field.meaning.starts_with(fmt::format("{}: ", each)) ||
                    each.ends_with(fmt::format("({})", field.name)));
        });
    };
    for (const Field& field : schema.fields) {
        const bool of_every_place = field.offset < sizeof(waggle_event) || field.name == "cpu";
        const bool always = field.name == "return" || field.name == "latency_ns" || field.name == "stack" ||
                            field.name == "probe";
        if (!of_every_place && (options.arguments || always || is_shown(field)))
            out += fmt::format(",{}", field.name);
    }
    return out;
}

bool is_given(const Options& options, std::string_view name) {
    const SourceOption* option = agent::option_named(name);
    return option && options.values.given(*option);
}

// What is counted by, as the column's head.
std::string head_of_keys(const Options& options) {
    std::string out;
    const std::string by = text_of(options, "by");
    for (const std::string_view each : split(by, ','))
        if (!trim(each).empty()) out += (out.empty() ? "" : ", ") + std::string(trim(each));
    const bool by_stack = is_given(options, "stack") || is_given(options, "ustack");
    if (by_stack) out += out.empty() ? "stack" : ", stack";
    return out.empty() ? "comm" : out;
}

// One line of what was counted, and below it the lines of a stack.
std::string count_lines(std::string_view figures, std::string_view key) {
    std::string out;
    bool first = true;
    for (const std::string_view line : split(key, '\n')) {
        out += fmt::format("{:>{}}  {}\n", first ? figures : "", figures.size(), escape_control(line));
        first = false;
    }
    return out;
}

// What was counted, the most first. `before`: what had been counted before this, by key; becomes what is counted now.
class Counts {
  public:
    explicit Counts(const Options& options) : options_(options), sums_(is_given(options, "sum")) {}

    // Since the last time.
    int print_new(agent::Session& session) {
        const Result<explain::ResultSet> counted = session.store().sql().query(
            "SELECT key, value, times, sum FROM probe_count ORDER BY times DESC, key", {},
            options_.rows ? options_.rows : 20'000);
        if (!counted) return fail(counted.error());
        std::vector<Line> lines;
        for (const auto& row : counted->rows) {
            const std::string key(row[0].text);
            const std::int64_t sum = sums_ ? row[3].integer : 0;
            Told& told = told_[key];
            Line line{key, number_of(row[1]), row[2].integer - told.times, sum - told.sum};
            told = {row[2].integer, sum};
            if (line.times > 0) lines.push_back(std::move(line));
        }
        std::ranges::stable_sort(lines, std::greater(),
                                 [&](const Line& each) { return sums_ ? each.sum : each.times; });
        print(options_.json ? as_json(lines) : as_text(lines));
        return exit_fine;
    }

  private:
    struct Line {
        std::string key;
        std::optional<std::int64_t> number;  // of a key that is one
        std::int64_t times, sum;
    };
    static std::optional<std::int64_t> number_of(const explain::Cell& cell) {
        return cell.kind == Value::Kind::integer ? std::optional(cell.integer) : std::nullopt;
    }

    struct Told {
        std::int64_t times = 0, sum = 0;
    };

    std::string as_text(const std::vector<Line>& lines) const {
        const std::string head = head_of_keys(options_);
        std::string out = sums_ ? fmt::format("{:>14} {:>12}  {}\n", "sum", "times", head)
                                : fmt::format("{:>12}  {}\n", "times", head);
        for (const Line& line : lines)
            out += count_lines(
                sums_ ? fmt::format("{:>14} {:>12}", format_count(line.sum), format_count(line.times))
                      : fmt::format("{:>12}", format_count(line.times)),
                line.key);
        return out;
    }

    std::string as_json(const std::vector<Line>& lines) const {
        explain::ResultSet out;
        const std::string head = head_of_keys(options_);
        out.columns.push_back({"times", Unit::count});
        if (sums_) out.columns.push_back({"sum", Unit::none});
        out.columns.push_back({head, Unit::none});
        for (const Line& line : lines) {
            const auto number = [](std::int64_t value) {
                return explain::Cell{Value::Kind::integer, value, 0, {}};
            };
            std::vector<explain::Cell> row = {number(line.times)};
            if (sums_) row.push_back(number(line.sum));
            // Where the key is a number that has no name, it is one here too.
            const bool is_number = line.number && line.key == std::to_string(*line.number);
            row.push_back(is_number ? number(*line.number)
                                    : explain::Cell{Value::Kind::text, 0, 0, line.key});
            out.rows.push_back(std::move(row));
        }
        return sinks::result_json_lines(out);
    }

    const Options& options_;
    bool sums_;
    std::map<std::string, Told> told_;
};

void print_histograms(agent::Session& session, const Options& options, const std::string& place) {
    const Table& table = *session.store().table("probe_histogram");
    const Field& values = *table.schema().find("distribution");
    table.each([&](const Row& row) {
        explain::Histogram histogram;
        histogram.add(row.histogram(values));
        const std::string_view key = row.text("key");
        const std::string field(row.text("field"));
        const std::string name = key.empty() ? field : fmt::format("{} of {}", field, escape_control(key));
        print(options.json ? sinks::histogram_json(name, histogram, options.lines) + "\n"
                           : sinks::render_histogram(name, place, values.unit, histogram, options.lines,
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
        explain::Histogram values;
        values.add(row.histogram(*table.schema().find("distribution")));
        times += values.total() + row.u64("negative");
    });
    return times;
}

std::string summary(agent::Session& session) {
    const Running& probe = *session.sources().front().running;
    std::string lost;
    for (const Loss& loss : probe.losses())
        if (loss.count)
            lost += fmt::format(", {} {}", format_count(static_cast<std::int64_t>(loss.count)), loss.cause);
    const RunCost cost = probe.cost();
    return fmt::format(
        "{}: {}{}{}\n", probe.hooks().front().hook, counted(times_passed(session), "time"),
        lost.empty() ? ", 0 lost" : "; lost" + lost.substr(1),
        cost.runs
            ? fmt::format("; {} of its programs took {} each", counted(cost.runs, "run"),
                          format_duration_ns(static_cast<double>(cost.ns) / static_cast<double>(cost.runs)))
            : "");
}

std::string time_of_day(const Clock& clock) { return TimeOfDay().text(clock.realtime_ns()).substr(0, 8); }

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
    if (options.list) {
        const Result<std::string> places = probe.listing(options.values);
        if (!places) return fail(places.error());
        print(*places);
        return exit_fine;
    }
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
    const bool is_counted = is_given(options, "count") || is_given(options, "sum");
    Counts counts(options);
    std::uint64_t next_ns = session.started_ns() + options.every_ns;
    const auto told_each = [&] {
        if (!options.every_ns || !is_counted || clock.monotonic_ns() < next_ns) return;
        next_ns += options.every_ns;
        session.store().begin_moment(session.window(), 0);
        if (!options.json) print(time_of_day(clock) + "\n");
        counts.print_new(session);
    };
    print_rows(
        session, options,
        [&](const Row& row, std::string& text) {
            printer.add(row, text);
            return true;
        },
        told_each);
    for (const std::string& problem : session.sources().front().running->problems())
        print_error(fmt::format("waggle: {}.\n", problem));
    session.store().begin_moment(session.window(), 0);
    if (is_counted)
        if (const int code = counts.print_new(session); code != exit_fine) return code;
    print_histograms(session, options, std::string(options.values.text(*probe.asked_by)));
    if (options.json) print(sinks::losses_json_lines(session.coverage()));
    print_error(summary(session));
    return exit_fine;
}

}  // namespace waggle::cli
