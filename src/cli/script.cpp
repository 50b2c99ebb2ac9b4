// SPDX-License-Identifier: Apache-2.0
// probe --bpftrace: a script of bpftrace, its output as rows.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "base/units.h"
#include "cli/command.h"
#include "model/schema.h"
#include "render/layout.h"
#include "render/row_printer.h"

namespace waggle::cli {
namespace {

std::string_view json_fields = "time_ns,output,map,key,value,lowest,highest,text";

// A row of the table bpftrace, as a person reads it.
struct ScriptRow {
    std::string_view map, key, text;
    std::int64_t value, lowest, highest;

    explicit ScriptRow(const Row& row)
        : map(row.text("map")),
          key(row.text("key")),
          text(row.text("text")),
          value(static_cast<std::int64_t>(row.u64("value"))),
          lowest(static_cast<std::int64_t>(row.u64("lowest"))),
          highest(static_cast<std::int64_t>(row.u64("highest"))) {}
    bool is_bucket() const { return lowest != null_i64 || highest != null_i64; }
};

// A line as the script laid it out: a tab is one, everything else that moves a cursor is escaped.
std::string printed(std::string_view line) {
    std::string out;
    bool first = true;
    for (const std::string_view part : split(line, '\t')) {
        if (!first) out += '\t';
        out += escape_control(part);
        first = false;
    }
    return out;
}

std::string indented(std::string_view text) {
    std::string out;
    for (const std::string_view line : split(text, '\n'))
        if (!trim(line).empty()) out += "        " + escape_control(trim(line)) + "\n";
    return out;
}

// "@reads[bash]"; a key of several lines, a stack, goes below.
std::string name_of(const ScriptRow& said) {
    const bool short_key = said.key.find('\n') == std::string_view::npos;
    std::string out = escape_control(said.map);
    if (!said.key.empty() && short_key) out += "[" + escape_control(said.key) + "]";
    return out;
}
std::string key_below(const ScriptRow& said) {
    return said.key.find('\n') == std::string_view::npos ? "" : indented(said.key);
}

// The buckets of one distribution, each with a bar.
std::string distribution(std::span<const ScriptRow> buckets, std::size_t width) {
    std::string out = name_of(buckets.front()) + ":\n" + key_below(buckets.front());
    const auto bound = [](std::int64_t value) { return value == null_i64 ? "" : format_count(value); };
    std::size_t widths[3] = {4, 2, 5};
    std::int64_t most = 1;
    for (const ScriptRow& each : buckets) {
        most = std::max(most, each.value);
        widths[0] = std::max(widths[0], bound(each.lowest).size());
        widths[1] = std::max(widths[1], bound(each.highest).size());
        widths[2] = std::max(widths[2], format_count(each.value).size());
    }
    const auto line = [&](std::string_view from, std::string_view to, std::string_view count) {
        return fmt::format("{}  {}  {}", sinks::pad_left(from, widths[0]), sinks::pad_left(to, widths[1]),
                           sinks::pad_left(count, widths[2]));
    };
    const std::size_t before = widths[0] + widths[1] + widths[2] + 6;
    const std::size_t room = std::clamp<std::size_t>(width > before ? width - before : 10, 10, 60);
    out += line("from", "to", "count") + "\n";
    for (const ScriptRow& each : buckets) {
        out += line(bound(each.lowest), bound(each.highest), format_count(each.value));
        const double share = static_cast<double>(each.value) / static_cast<double>(most);
        if (each.value > 0)
            out += "  " + std::string(std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(
                                                                   share * static_cast<double>(room)))),
                                      '#');
        out += '\n';
    }
    return out;
}

std::string in_words(std::span<const Row> rows, std::size_t width) {
    std::vector<ScriptRow> said(rows.begin(), rows.end());
    std::string out;
    for (std::size_t from = 0, to = 0; from < said.size(); from = to) {
        const ScriptRow& first = said[from];
        to = from + 1;
        if (first.is_bucket()) {
            while (to < said.size() && said[to].is_bucket() && said[to].map == first.map &&
                   said[to].key == first.key)
                ++to;
            out += distribution(std::span(said).subspan(from, to - from), width);
        } else if (first.map.empty()) {
            for (const std::string_view line : split(first.text, '\n')) out += printed(line) + "\n";
        } else if (first.text.find('\n') != std::string_view::npos) {
            out += name_of(first) + ":\n" + key_below(first) + indented(first.text);
        } else {
            out += name_of(first) + ": " + escape_control(first.text);
            if (first.value != null_i64) out += (first.text.empty() ? "" : " ") + format_count(first.value);
            out += "\n" + key_below(first);
        }
    }
    return out;
}

Result<void> check(const Options& options) {
    const auto refuse = [](std::string_view flag) {
        return Error{fmt::format("{} says what a place is asked; a script asks for itself", flag),
                     ErrorKind::usage};
    };
    if (options.arguments) return refuse("--args");
    return {};
}

}  // namespace

int run_script(const Options& options) {
    if (auto right = check(options); !right) return fail(right.error());
    const Result<agent::SessionOptions> wanted = session_options(options, {"bpftrace"}, Mode::events);
    if (!wanted) return fail(wanted.error());
    Result<std::unique_ptr<agent::Session>> started = start_session(*wanted);
    if (!started) return fail(started.error());
    agent::Session& session = **started;
    const SystemClock clock;
    RowPrinter printer({true, clock.realtime_ns() - clock.monotonic_ns(), std::string(json_fields), false},
                       session.store().lookup());
    const std::size_t width = style_of_stdout().width;
    std::uint64_t printed = 0;
    std::atomic<bool> ended{false};
    agent::Callbacks callbacks;
    callbacks.rows = [&](std::span<const Row> rows) {
        if (ended) return;
        if (options.rows && printed + rows.size() >= options.rows) {
            rows = rows.first(options.rows - printed);
            ended = true;
        }
        printed += rows.size();
        std::string text;
        if (options.json)
            for (const Row& row : rows) printer.add(row, text);
        else
            text = in_words(rows, width);
        if (!print(text)) ended = true;
    };
    callbacks.done = [&] { return ended.load(); };
    session.run(end_of(session, options), interrupted, callbacks);
    const agent::Session::Started& script = session.sources().front();
    for (const std::string& problem : session.problems()) print_error(fmt::format("waggle: {}.\n", problem));
    if (failed_on_request(script)) return exit_failed;
    if (options.json) return exit_fine;
    std::string lost;
    for (const Loss& loss : script.running->losses())
        if (loss.count)
            lost += fmt::format(", {} {}", format_count(static_cast<std::int64_t>(loss.count)), loss.cause);
    print_error(fmt::format("{}: {}{}\n", script.running->hooks().front().hook, counted(printed, "row"),
                            lost.empty() ? ", 0 lost" : "; lost" + lost.substr(1)));
    return exit_fine;
}

}  // namespace waggle::cli
