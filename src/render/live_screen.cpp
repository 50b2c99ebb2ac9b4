// SPDX-License-Identifier: Apache-2.0
#include "render/live_screen.h"

#include <fmt/core.h>

#include "base/text.h"
#include "explain/phrases.h"
#include "render/layout.h"
#include "render/result_text.h"

namespace waggle::sinks {
namespace {

using explain::Phrase;

constexpr std::string_view clear_line = "\x1b[K";

std::string count_words(std::uint64_t n) { return format_count(static_cast<std::int64_t>(n)); }

struct Totals {
    std::uint64_t seen = 0;
    std::uint64_t lost = 0;
};
Totals totals_of(std::span<const explain::SensorCoverage> coverage) {
    Totals totals;
    for (const explain::SensorCoverage& part : coverage) {
        totals.seen += part.seen;
        totals.lost += part.lost_count();
    }
    return totals;
}

// Lines of text without escape sequences of their own, cut to the screen when they are put out.
struct Screen {
    struct Line {
        std::string text;
        Paint paint = Paint::plain;
        std::size_t painted = std::string::npos;  // only so many bytes; the rest is plain
    };
    std::vector<Line> lines;
    std::size_t width;

    void add(std::string_view text, Paint how = Paint::plain, std::size_t painted = std::string::npos) {
        lines.push_back({cut_text(text, width), how, painted});
    }
    void add_wrapped(std::string_view text, std::size_t indent) {
        for (const std::string& line : wrap(text, std::max<std::size_t>(width, indent + 20) - indent))
            add(std::string(indent, ' ') + line);
    }
};

// "block_io     requests 120/s  read 1.2 MiB/s": a column named read_bytes_per_second is said "read".
void add_figures(Screen& screen, const Figures& figures, std::size_t name_width) {
    if (figures.result.rows.empty()) return;
    std::string line = pad_right(figures.sensor, name_width);
    const auto& row = figures.result.rows.front();
    for (std::size_t i = 0; i < row.size(); ++i) {
        std::string name = escape_control(figures.result.columns[i].name);
        for (const std::string_view ending :
             {"_bytes_per_second", "_per_second", "_percent", "_bytes", "_ns"})
            if (name.size() > ending.size() && name.ends_with(ending)) {
                name.resize(name.size() - ending.size());
                break;
            }
        const std::string figure = "  " + name + " " + cell_text(row[i], figures.result.columns[i].unit);
        if (display_width(line) + display_width(figure) > screen.width && i > 0) {
            screen.add(line, Paint::bold, name_width);
            line = std::string(name_width, ' ');
        }
        line += figure;
    }
    screen.add(line, Paint::bold, name_width);
}

void add_finding(Screen& screen, const explain::Finding& finding, const TerminalStyle& style) {
    Phrase label = Phrase::severity_note;
    Paint how = Paint::cyan;
    switch (finding.severity) {
        case explain::Severity::critical:
            label = Phrase::severity_critical;
            how = Paint::red;
            break;
        case explain::Severity::warning:
            label = Phrase::severity_warning;
            how = Paint::yellow;
            break;
        case explain::Severity::note:
            break;
    }
    const std::string word = explain::say(label, {}, style.language);
    bool first = true;
    for (const std::string& line : wrap(word + " " + finding.what, screen.width - 2)) {
        screen.add((first ? "" : "  ") + line, first ? how : Paint::plain, word.size());
        first = false;
    }
    if (!finding.because.empty()) screen.add_wrapped(finding.because.front(), 2);
    if (!finding.try_.empty())
        screen.add("  " + explain::say(Phrase::try_, {}, style.language) + ": " +
                   std::string(split(finding.try_.front(), '\n').front()));
}

}  // namespace

std::string live_screen_begin() { return "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J"; }
std::string live_screen_end() { return "\x1b[?25h\x1b[?1049l"; }

namespace {

std::string time_of_day_utc(std::uint64_t realtime_ns) {
    const std::uint64_t second = realtime_ns / 1'000'000'000 % 86400;
    return fmt::format("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
}

std::string past_words(const PastFinding& past, const TerminalStyle& style) {
    return explain::say(past.lasts ? Phrase::live_lasts : Phrase::live_ended,
                        {{"from", time_of_day_utc(past.from_realtime_ns)},
                         {"to", time_of_day_utc(past.to_realtime_ns)},
                         {"what", past.what}},
                        style.language);
}

}  // namespace

std::string render_live_screen(const explain::Answer& answer, std::span<const Figures> figures,
                               std::span<const PastFinding> past, const TerminalStyle& style) {
    const auto words = [&](Phrase key, explain::PhraseValues values = {}) {
        return explain::say(key, values, style.language);
    };
    const std::size_t width = std::max<std::size_t>(style.width, 40),
                      height = std::max<std::size_t>(style.height, 8);
    Screen screen{{}, width};
    const Totals totals = totals_of(answer.coverage);
    const std::uint64_t watched_ns = answer.window.to_ns - answer.window.from_ns;
    screen.add(words(Phrase::live_title, {{"time", time_of_day_utc(answer.window.to_realtime_ns())},
                                          {"duration", format_duration_ns(static_cast<double>(watched_ns))},
                                          {"rows", count_words(totals.seen)},
                                          {"lost", count_words(totals.lost)}}),
               Paint::bold);
    std::size_t name_width = 0;
    for (const Figures& part : figures) name_width = std::max(name_width, part.sensor.size());
    for (const Figures& part : figures) add_figures(screen, part, name_width);
    screen.add("");
    if (answer.findings.empty()) screen.add(words(Phrase::live_nothing), Paint::green);

    // The last two lines are for what did not fit and for the keys.
    const std::size_t last = height - 2;
    std::size_t shown = 0;
    for (const explain::Finding& finding : answer.findings) {
        const std::size_t before = screen.lines.size();
        add_finding(screen, finding, style);
        if (screen.lines.size() > last && shown > 0) {
            screen.lines.resize(before);
            break;
        }
        ++shown;
    }
    for (std::size_t i = past.size(); i-- > 0;)
        if (!past[i].lasts && screen.lines.size() < last) screen.add(past_words(past[i], style), Paint::dim);
    for (const std::string& problem : answer.problems)
        if (screen.lines.size() < last) screen.add(words(Phrase::problem, {{"what", problem}}), Paint::dim);
    screen.lines.resize(last);
    if (shown < answer.findings.size())
        screen.add(words(Phrase::live_more, {{"count", count_words(answer.findings.size() - shown)}}),
                   Paint::bold);
    else
        screen.add("");
    screen.add(words(Phrase::live_keys), Paint::dim);

    std::string out = "\x1b[H";
    for (std::size_t i = 0; i < screen.lines.size(); ++i) {
        const Screen::Line& line = screen.lines[i];
        const std::size_t painted = std::min(line.painted, line.text.size());
        if (i > 0) out += "\r\n";
        out += paint(std::string_view(line.text).substr(0, painted), line.paint, style.color);
        out += std::string_view(line.text).substr(painted);
        out += clear_line;
    }
    return out + "\x1b[J";
}

std::string render_live_start(std::size_t sensors, const TerminalStyle& style) {
    return explain::say(Phrase::live_start, {{"count", count_words(sensors)}}, style.language) + "\n";
}

std::string render_live_summary(std::span<const PastFinding> found, std::uint64_t watched_ns,
                                std::span<const explain::SensorCoverage> coverage,
                                const TerminalStyle& style) {
    const Totals totals = totals_of(coverage);
    std::string out;
    for (const PastFinding& past : found)
        for (const std::string& line : wrap(past_words(past, style), std::max<std::size_t>(style.width, 40)))
            out += line + "\n";
    return out +
           explain::say(Phrase::live_summary,
                        {{"duration", format_duration_ns(static_cast<double>(watched_ns))},
                         {"found", count_words(found.size())},
                         {"rows", count_words(totals.seen)},
                         {"lost", count_words(totals.lost)}},
                        style.language) +
           "\n";
}

}  // namespace waggle::sinks
