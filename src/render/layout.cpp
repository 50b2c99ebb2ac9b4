// SPDX-License-Identifier: Apache-2.0
#include "render/layout.h"

#include <arpa/inet.h>

#include <algorithm>
#include <numeric>

namespace waggle::sinks {
namespace {

constexpr std::size_t gap = 2;           // between columns
constexpr std::size_t least_column = 8;  // a text is not cut below this

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// Half of an address, or of a network's, is none.
bool is_address(const std::string& text) {
    in6_addr parsed;
    const std::string address = text.substr(0, text.find('/'));
    return ::inet_pton(AF_INET6, address.c_str(), &parsed) == 1 ||
           ::inet_pton(AF_INET, address.c_str(), &parsed) == 1;
}

// One value a line: "name  value".
std::string lay_out_upright(const Columns& columns, std::size_t indent, std::size_t width, bool color) {
    std::size_t widest = 0;
    for (const std::string& name : columns.head) widest = std::max(widest, display_width(name));
    std::string out;
    for (const std::vector<std::string>& row : columns.rows) {
        if (&row != &columns.rows.front()) out += '\n';
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::size_t before = indent + widest + gap;
            std::string name = pad_right(columns.head[i], widest);
            bool first = true;
            for (const std::string& line : wrap(row[i], width > before + 20 ? width - before : 20)) {
                out.append(first ? indent : before, ' ');
                if (first) out += paint(name, Paint::dim, color) + std::string(gap, ' ');
                out += line + "\n";
                first = false;
            }
        }
    }
    return out;
}

}  // namespace

std::string paint(std::string_view text, Paint paint, bool color) {
    if (!color || text.empty()) return std::string(text);
    std::string_view code;
    switch (paint) {
        case Paint::plain:
            return std::string(text);
        case Paint::bold:
            code = "1";
            break;
        case Paint::dim:
            code = "2";
            break;
        case Paint::red:
            code = "1;31";
            break;
        case Paint::yellow:
            code = "1;33";
            break;
        case Paint::cyan:
            code = "1;36";
            break;
        case Paint::green:
            code = "32";
            break;
    }
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

std::size_t display_width(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string cut_text(std::string_view text, std::size_t width) {
    if (display_width(text) <= width) return std::string(text);
    const std::size_t keep = width > 2 ? width - 2 : 0;
    std::size_t end = 0, cells = 0;
    while (end < text.size()) {
        if (begins_character(text[end]) && cells++ == keep) break;
        ++end;
    }
    return std::string(text.substr(0, end)) + std::string("..").substr(0, width);
}

std::string pad_left(std::string_view text, std::size_t width) {
    const std::size_t cells = display_width(text);
    return std::string(cells < width ? width - cells : 0, ' ') + std::string(text);
}

std::string pad_right(std::string_view text, std::size_t width) {
    const std::size_t cells = display_width(text);
    return std::string(text) + std::string(cells < width ? width - cells : 0, ' ');
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
    std::vector<std::string> lines(1);
    std::size_t cells = 0;
    while (!text.empty()) {
        std::size_t end = std::min(text.find(' '), text.size());
        if (text.substr(end).starts_with(" %")) end = std::min(text.find(' ', end + 1), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (word.empty()) continue;
        const std::size_t need = display_width(word);
        if (cells > 0 && cells + 1 + need > width) {
            lines.emplace_back();
            cells = 0;
        }
        if (cells > 0) {
            lines.back() += ' ';
            ++cells;
        }
        lines.back() += word;
        cells += need;
    }
    return lines;
}

std::string lay_out(const Columns& columns, std::size_t indent, std::size_t width, bool color) {
    const std::size_t count = columns.head.size();
    if (count == 0) return {};
    std::vector<std::size_t> widths(count), least(count);
    for (std::size_t i = 0; i < count; ++i) {
        widths[i] = display_width(columns.head[i]);
        least[i] = std::max(least_column, widths[i]);
        for (const auto& row : columns.rows) {
            widths[i] = std::max(widths[i], display_width(row[i]));
            if (is_address(row[i])) least[i] = std::max(least[i], display_width(row[i]));
        }
    }
    const auto total = [&] {
        return std::accumulate(widths.begin(), widths.end(), indent + gap * (count - 1));
    };
    // The widest texts give way first, down to their name and a few letters.
    while (total() > width) {
        std::size_t widest = count;
        for (std::size_t i = 0; i < count; ++i)
            if (!columns.right[i] && widths[i] > least[i] && (widest == count || widths[i] > widths[widest]))
                widest = i;
        if (widest == count) return lay_out_upright(columns, indent, width, color);
        --widths[widest];
    }
    std::string out;
    const auto line = [&](const std::vector<std::string>& row, Paint how) {
        std::string text(indent, ' ');
        for (std::size_t i = 0; i < count; ++i) {
            if (i > 0) text.append(gap, ' ');
            text += columns.right[i] ? pad_left(row[i], widths[i])
                    : i + 1 == count ? cut_text(row[i], widths[i])
                                     : pad_right(cut_text(row[i], widths[i]), widths[i]);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out += paint(text, how, color) + "\n";
    };
    line(columns.head, Paint::dim);
    for (const auto& row : columns.rows) line(row, Paint::plain);
    return out;
}

}  // namespace waggle::sinks
