// SPDX-License-Identifier: Apache-2.0
// What a test says of a sensor's rows, and asks of its losses.
#pragma once

#include <cstdint>
#include <string>

#include "model/columns.h"
#include "model/source.h"

namespace waggle::sensors {

// The row as "table column=value column=value", for messages; without its distributions.
inline std::string line_of(const Row& row, const Names& names) {
    std::string out(row.schema().name);
    for (const Column& column : columns_of(row.schema()))
        if (column.field && !column.field->is_distribution())
            out += " " + std::string(column.name) + "=" + format_column(row, column, {&names, nullptr});
    return out;
}

inline std::uint64_t all_lost(const Running& sensor) {
    std::uint64_t all = 0;
    for (const Loss& loss : sensor.losses()) all += loss.count;
    return all;
}

}  // namespace waggle::sensors
