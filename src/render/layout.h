// SPDX-License-Identifier: Apache-2.0
// Text laid out on a terminal: widths, wrapping, colours, aligned columns.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::sinks {

enum class Paint : std::uint8_t { plain, bold, dim, red, yellow, cyan, green };
std::string paint(std::string_view text, Paint paint, bool color);

// Character cells of UTF-8 text, each character counted as one.
std::size_t display_width(std::string_view text);
// At most `width` cells; what was cut ends in "..".
std::string cut_text(std::string_view text, std::size_t width);
std::string pad_left(std::string_view text, std::size_t width);
std::string pad_right(std::string_view text, std::size_t width);

// Lines of at most `width` cells, broken at blanks, but never before a %; a longer word stands alone.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

// A table of texts: `right[i]` aligns column i to the right and keeps it whole; IP addresses are kept whole too. Where it
// does not fit, each value has a line of its own. The first row is the head.
// Every line begins with `indent` blanks.
struct Columns {
    std::vector<std::string> head;
    std::vector<bool> right;
    std::vector<std::vector<std::string>> rows;
};
std::string lay_out(const Columns& columns, std::size_t indent, std::size_t width, bool color);

}  // namespace waggle::sinks
