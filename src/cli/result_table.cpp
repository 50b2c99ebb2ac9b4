// SPDX-License-Identifier: Apache-2.0
#include "cli/result_table.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/nearest.h"
#include "base/text.h"
#include "render/json.h"
#include "render/result_text.h"

namespace waggle::cli {
namespace {

// Numbers, the largest first; then texts by the alphabet; what is not known comes last.
bool comes_first(const explain::Cell& left, const explain::Cell& right) {
    const auto rank = [](const explain::Cell& cell) {
        return cell.is_null() ? 2 : cell.kind == Value::Kind::text || cell.kind == Value::Kind::blob ? 1 : 0;
    };
    if (rank(left) != rank(right)) return rank(left) < rank(right);
    switch (rank(left)) {
        case 0:
            return left.kind == Value::Kind::integer && right.kind == Value::Kind::integer
                       ? left.integer > right.integer
                       : left.number() > right.number();
        case 1:
            return left.text < right.text;
        default:
            return false;
    }
}

}  // namespace

Result<void> check_sort(std::span<const std::string> columns, const Options& options) {
    if (options.sort.empty() || std::ranges::find(columns, options.sort) != columns.end()) return {};
    const std::vector<std::string_view> known(columns.begin(), columns.end());
    return Error{fmt::format("--sort: there is no column {}{}; there are {}", escape_control(options.sort),
                             did_you_mean(options.sort, known), fmt::join(columns, ", ")),
                 ErrorKind::usage};
}

void sort_and_cut(explain::ResultSet& result, const Options& options, std::size_t default_rows) {
    if (const auto column = options.sort.empty() ? std::nullopt : result.column(options.sort))
        std::ranges::stable_sort(
            result.rows, [&](const auto& a, const auto& b) { return comes_first(a[*column], b[*column]); });
    const std::size_t most = options.rows ? options.rows : default_rows;
    if (result.rows.size() > most) {
        result.rows.resize(most);
        result.cut = true;
    }
}

sinks::TerminalStyle style_of_table() {
    sinks::TerminalStyle style = style_of_stdout();
    if (!stdout_is_terminal()) style.width = 100'000;
    return style;
}

std::string result_text(const explain::ResultSet& result, const Options& options) {
    return options.json ? sinks::result_json_lines(result) : sinks::render_result(result, style_of_table());
}

}  // namespace waggle::cli
