// SPDX-License-Identifier: Apache-2.0
// What a test says of a sensor's rows, and asks of its losses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/columns.h"
#include "model/histogram.h"
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

// How many values the row's histogram holds.
inline std::uint64_t values_of(const Row& row, std::string_view field) {
    HistogramReader reader(row.histogram(*row.schema().find(field)));
    std::uint64_t all = 0;
    std::size_t slot = 0;
    for (std::uint64_t count = 0; reader.next(slot, count);) all += count;
    return all;
}

inline std::uint64_t all_lost(const Running& sensor) {
    std::uint64_t all = 0;
    for (const Loss& loss : sensor.losses()) all += loss.count;
    return all;
}

}  // namespace waggle::sensors
