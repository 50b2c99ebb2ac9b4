// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "explain/histogram.h"
#include "explain/phrases.h"
#include "sinks/layout.h"
#include "sinks/terminal.h"

namespace waggle::sinks {

using explain::Phrase;

std::string render_histogram(std::string_view name, std::string_view meaning, Unit unit,
                             std::span<const std::uint64_t> slots, const TerminalStyle& style) {
    const auto words = [&](Phrase key, explain::PhraseValues values = {}) {
        return explain::say(key, values, style.language);
    };
    const std::uint64_t total = explain::slots_total(slots);
    if (total == 0) return words(Phrase::histogram_empty, {{"name", name}}) + "\n";
    const auto said = [&](std::int64_t value) { return format_number(static_cast<double>(value), unit); };
    const auto count = [](std::uint64_t n) {
        return format_count(static_cast<std::int64_t>(std::min<std::uint64_t>(n, INT64_MAX)));
    };
    std::size_t first = 0, last = slots.size() - 1;
    while (slots[first] == 0) ++first;
    while (slots[last] == 0) --last;
    const std::uint64_t most = *std::max_element(slots.begin(), slots.end());

    const std::string heads[] = {words(Phrase::histogram_from), words(Phrase::histogram_to),
                                 words(Phrase::histogram_count)};
    std::size_t widths[] = {display_width(heads[0]), display_width(heads[1]), display_width(heads[2])};
    struct Line {
        std::string cells[3];
        std::uint64_t count;
    };
    std::vector<Line> lines;
    for (std::size_t i = first; i <= last; ++i) {
        Line& line = lines.emplace_back(
            Line{{said(explain::slot_lower_bound(i)), said(explain::slot_upper_bound(i)), count(slots[i])},
                 slots[i]});
        for (std::size_t c = 0; c < 3; ++c) widths[c] = std::max(widths[c], display_width(line.cells[c]));
    }
    const std::size_t before = widths[0] + widths[1] + widths[2] + 6;
    const std::size_t room = style.width > before + 10 ? style.width - before : 10;

    std::string out = paint(name, Paint::bold, style.color) + ": " + std::string(meaning) + "\n";
    std::string head;
    for (std::size_t c = 0; c < 3; ++c) head += pad_left(heads[c], widths[c] + (c > 0 ? 2 : 0));
    out += paint(head, Paint::dim, style.color) + "\n";
    for (const Line& line : lines) {
        for (std::size_t c = 0; c < 3; ++c) out += pad_left(line.cells[c], widths[c] + (c > 0 ? 2 : 0));
        // A slot that is not empty shows at least one mark.
        const double share = static_cast<double>(line.count) / static_cast<double>(most);
        const auto marks = static_cast<std::size_t>(std::lround(share * static_cast<double>(room)));
        if (line.count > 0)
            out += "  " + paint(std::string(std::max<std::size_t>(marks, 1), '#'), Paint::cyan, style.color);
        out += '\n';
    }
    const auto percentile = [&](double share) { return said(*explain::slots_percentile(slots, share)); };
    for (const std::string& line : wrap(words(Phrase::histogram_summary, {{"count", count(total)},
                                                                          {"p50", percentile(0.5)},
                                                                          {"p95", percentile(0.95)},
                                                                          {"p99", percentile(0.99)}}),
                                        std::max<std::size_t>(style.width, 20)))
        out += line + "\n";
    return out;
}

}  // namespace waggle::sinks
