// SPDX-License-Identifier: Apache-2.0
#include "render/result_text.h"

#include <fmt/core.h>

#include "base/text.h"
#include "explain/phrases.h"
#include "query/histogram.h"

namespace waggle::sinks {

std::string cell_text(const explain::Cell& cell, Unit unit) {
    switch (cell.kind) {
        case Value::Kind::null:
            return "-";
        case Value::Kind::integer:
            // Exact: a double holds integers only up to 2^53.
            if (unit == Unit::none || unit == Unit::identifier) return cell.as_text();
            if (unit == Unit::count) return format_count(cell.integer);
            return format_number(static_cast<double>(cell.integer), unit);
        case Value::Kind::real:
            return format_number(cell.real, unit);
        case Value::Kind::text:
            return escape_control(cell.text);
        case Value::Kind::blob: {
            explain::Histogram histogram;
            if (!histogram.add(cell.text)) return fmt::format("({} bytes)", cell.text.size());
            const auto total = std::min<std::uint64_t>(histogram.total(), INT64_MAX);
            return explain::say(explain::Phrase::histogram_values,
                                {{"count", format_count(static_cast<std::int64_t>(total))}});
        }
    }
    return {};
}

Columns columns_of_result(const explain::ResultSet& result) {
    Columns out;
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
        out.head.push_back(escape_control(result.columns[i].name));
        bool number = !result.rows.empty();
        for (const auto& row : result.rows)
            number = number && row[i].kind != Value::Kind::text && row[i].kind != Value::Kind::blob;
        out.right.push_back(number);
    }
    for (const auto& row : result.rows) {
        std::vector<std::string>& texts = out.rows.emplace_back();
        for (std::size_t i = 0; i < row.size(); ++i)
            texts.push_back(cell_text(row[i], result.columns[i].unit));
    }
    return out;
}

}  // namespace waggle::sinks
