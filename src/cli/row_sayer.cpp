// SPDX-License-Identifier: Apache-2.0
#include "cli/row_sayer.h"

#include <nlohmann/json.hpp>

#include "agent/event_sources.h"
#include "render/json.h"

namespace waggle::cli {

Result<RowSayer> RowSayer::open(const Options& options, std::uint64_t realtime_minus_monotonic_ns,
                                const Lookup& lookup) {
    Result<Explainer> explainer = Explainer::open({options.language, {}});
    if (!explainer) return explainer.error();
    return RowSayer(std::move(*explainer), options.json, realtime_minus_monotonic_ns, lookup);
}

std::string RowSayer::columns_said(const Row& row, const std::vector<Column>& columns) const {
    std::string out(row.schema().name);
    for (const Column& column : columns) {
        if (column.hidden || column.name == "time_ns") continue;
        if (const std::string text = format_column(row, column, lookup_); !text.empty())
            out.append(out.size() == row.schema().name.size() ? ": " : ", ")
                .append(column.name)
                .append(" ")
                .append(text);
    }
    return out + ".";
}

void RowSayer::add(const Row& row, std::string& out) {
    const auto [place, fresh] = columns_.try_emplace(&row.schema());
    if (fresh) place->second = columns_of(row.schema());
    const NamedRow named = agent::named_row(row, place->second, lookup_);
    const Result<std::string> said = explainer_.say(named);
    // What a probe or a script yields has tables of its own, without words: then its columns are said.
    const std::string sentence = said ? *said : columns_said(row, place->second);
    if (json_) {
        std::string line = sinks::row_json(row, place->second, lookup_);
        line.pop_back();
        using Json = nlohmann::json;
        out +=
            line + ",\"says\":" + Json(sentence).dump(-1, ' ', true, Json::error_handler_t::replace) + "}\n";
        return;
    }
    if (const Field* time = row.schema().find("time_ns"))
        out += time_.text(row.u64(*time) + offset_ns_) + " ";
    out += sentence;
    out += '\n';
}

}  // namespace waggle::cli
