// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/text.h"
#include "explain/phrases.h"
#include "query/histogram.h"
#include "render/layout.h"
#include "render/terminal.h"

namespace waggle::sinks {

using explain::Phrase;

namespace {

constexpr std::size_t columns = 3;

std::string count_text(std::uint64_t n) {
    return format_count(static_cast<std::int64_t>(std::min<std::uint64_t>(n, INT64_MAX)));
}

// "1,024 values: half are below ..."; what is said rests on how the histogram counts.
std::string summary_of(const explain::Histogram& histogram, Unit unit, const TerminalStyle& style) {
    const auto said = [&](double value) { return format_number(value, unit); };
    const auto percentile = [&](double share) {
        return said(static_cast<double>(*histogram.percentile(share)));
    };
    const HistogramForm& form = histogram.form();
    const std::string half_unit = said(static_cast<double>(std::uint64_t{1} << form.unit) / 2);
    const auto lines = histogram.octaves(1);
    Phrase phrase = Phrase::histogram_summary;
    if (form.kind == HistogramForm::Kind::log_linear)
        phrase = lines.back().open        ? Phrase::histogram_summary_beyond
                 : histogram.total() == 1 ? Phrase::histogram_summary_one
                 : form.unit == 0         ? Phrase::histogram_summary_fine
                                          : Phrase::histogram_summary_fine_unit;
    return explain::say(phrase,
                        {{"count", count_text(histogram.total())},
                         {"p50", percentile(0.5)},
                         {"p95", percentile(0.95)},
                         {"p99", percentile(0.99)},
                         {"max", percentile(1)},
                         {"error", half_unit},
                         {"beyond", count_text(lines.back().count)}},
                        style.language);
}

}  // namespace

std::string render_histogram(std::string_view name, std::string_view meaning, Unit unit,
                             const explain::Histogram& histogram, const HistogramLines& wanted,
                             const TerminalStyle& style) {
    const auto words = [&](Phrase key, explain::PhraseValues values = {}) {
        return explain::say(key, values, style.language);
    };
    if (histogram.total() == 0) return words(Phrase::histogram_empty, {{"name", name}}) + "\n";
    const auto lines = wanted.linear ? histogram.linear() : histogram.octaves(std::max(wanted.steps, 1u));
    std::uint64_t most = 0;
    for (const auto& line : lines) most = std::max(most, line.count);

    // Where three figures do not tell a line's ends apart, all of them are said in full.
    const auto rounded = [&](std::uint64_t value) { return format_number(static_cast<double>(value), unit); };
    const bool in_full = std::ranges::any_of(lines, [&](const auto& line) {
        return line.from != line.to && rounded(line.from) == rounded(line.to);
    });
    const bool has_name = unit == Unit::nanoseconds || unit == Unit::bytes;
    const auto said = [&](std::uint64_t value) {
        if (!in_full) return rounded(value);
        return has_name ? fmt::format("{} {}", count_text(value), unit_name(unit)) : count_text(value);
    };

    using Cells = std::array<std::string, columns>;
    std::vector<Cells> texts = {
        {words(Phrase::histogram_from), words(Phrase::histogram_to), words(Phrase::histogram_count)}};
    for (const auto& line : lines)
        texts.push_back({said(line.from), line.open ? words(Phrase::histogram_above) : said(line.to),
                         count_text(line.count)});
    std::array<std::size_t, columns> widths{};
    for (const Cells& cells : texts)
        for (std::size_t c = 0; c < columns; ++c) widths[c] = std::max(widths[c], display_width(cells[c]));
    const std::size_t before = widths[0] + widths[1] + widths[2] + 6;
    const std::size_t room = style.width > before + 10 ? style.width - before : 10;

    std::string out = paint(name, Paint::bold, style.color) + ": " + std::string(meaning) + "\n";
    for (std::size_t i = 0; i < texts.size(); ++i) {
        std::string text;
        for (std::size_t c = 0; c < columns; ++c) text += pad_left(texts[i][c], widths[c] + (c > 0 ? 2 : 0));
        out += i == 0 ? paint(text, Paint::dim, style.color) : text;
        const std::uint64_t count = i == 0 ? 0 : lines[i - 1].count;
        if (count > 0) {
            // A line that is not empty shows at least one mark.
            const double share = static_cast<double>(count) / static_cast<double>(most);
            const auto marks = static_cast<std::size_t>(std::lround(share * static_cast<double>(room)));
            out += "  " + paint(std::string(std::max<std::size_t>(marks, 1), '#'), Paint::cyan, style.color);
        }
        out += '\n';
    }
    for (const std::string& line :
         wrap(summary_of(histogram, unit, style), std::max<std::size_t>(style.width, 20)))
        out += line + "\n";
    return out;
}

}  // namespace waggle::sinks
