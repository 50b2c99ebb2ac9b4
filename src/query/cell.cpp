// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include <array>
#include <cstdlib>

#include "base/text.h"
#include "query/sql.h"

namespace waggle::explain {

double Cell::number() const {
    switch (kind) {
        case Value::Kind::null:
            return 0;
        case Value::Kind::integer:
            return static_cast<double>(integer);
        case Value::Kind::real:
            return real;
        case Value::Kind::text:
        case Value::Kind::blob:
            return std::strtod(text.c_str(), nullptr);
    }
    return 0;
}

std::string Cell::as_text() const {
    switch (kind) {
        case Value::Kind::null:
            return {};
        case Value::Kind::integer:
            return std::to_string(integer);
        case Value::Kind::real: {
            std::array<char, 64> buffer{};  // as SQLite's own cast writes it
            return sqlite3_snprintf(buffer.size(), buffer.data(), "%!.15g", real);
        }
        case Value::Kind::text:
        case Value::Kind::blob:
            return text;
    }
    return {};
}

std::optional<std::size_t> ResultSet::column(std::string_view name) const {
    for (std::size_t i = 0; i < columns.size(); ++i)
        if (columns[i].name == name) return i;
    return std::nullopt;
}

Unit unit_of_name(std::string_view column) {
    const auto ends = [&](std::string_view ending) {
        if (column == ending) return true;
        return column.size() > ending.size() && column.ends_with(ending) &&
               column[column.size() - ending.size() - 1] == '_';
    };
    const auto any = [&](auto... endings) { return (ends(endings) || ...); };
    if (ends("run_time_ns")) return Unit::nanoseconds;  // the kernel's word for how long a BPF program ran
    // Moments of a clock are no durations: 93 days since the machine started say nothing.
    if (any("time_ns", "start_ns", "from_ns", "to_ns", "realtime_ns")) return Unit::identifier;
    if (ends("ns")) return Unit::nanoseconds;
    if (ends("seconds")) return Unit::seconds;
    if (any("bytes_per_second")) return Unit::bytes_per_second;
    if (any("per_second", "iops")) return Unit::per_second;
    if (ends("bytes")) return Unit::bytes;
    if (ends("percent")) return Unit::percent;
    if (any("pid", "tid", "port", "handle", "id", "uid", "gid", "inode", "ino", "ifindex", "cookie", "netns",
            "errno", "major", "minor", "line", "fd", "priority", "signal", "code"))
        return Unit::identifier;
    if (any("count", "packets", "drops", "events", "requests", "times", "starts", "restarts", "retransmits",
            "connections", "samples", "execs", "exits", "lost", "seen", "rows", "reads", "writes",
            "overflows", "errors", "processes", "sockets", "datagrams", "segments", "n", "total",
            "per_minute", "length", "backlog", "values"))
        return Unit::count;
    return Unit::none;
}

}  // namespace waggle::explain
