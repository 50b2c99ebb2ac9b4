// SPDX-License-Identifier: Apache-2.0
// RowPrinter: rows as lines, one each, for `waggle trace`: aligned columns for a person or JSON for a
// program.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/columns.h"
#include "waggle/result.h"

namespace waggle::cli {

// "14:03:07.123456" of a time in nanoseconds since 1970, in the local time zone.
class TimeOfDay {
  public:
    std::string text(std::uint64_t realtime_ns);

  private:
    std::uint64_t second_ = UINT64_MAX;  // of the text
    std::string text_;
};

// "{pid: 812, comm: "nginx", state: TCP_LISTEN}": the columns as a C programmer reads a struct; of a single
// one called value, its value alone. A text whose unit is identifier is no text but a name, and has no quotes.
std::string row_in_braces(const Row& row, std::span<const Column> columns, const Lookup& lookup);

class RowPrinter {
  public:
    struct Layout {
        bool json = false;
        std::uint64_t realtime_minus_monotonic_ns = 0;  // turns time_ns into the time of day
        std::string fields;                             // comma-separated; empty = the default columns
        bool mixed = false;                             // rows of several schemas will come
        bool named = false;  // each value with its name behind who and when; long texts below
    };
    RowPrinter(Layout layout, const Lookup& lookup) : layout_(std::move(layout)), lookup_(lookup) {}

    // Says whether every wanted field exists in one of the schemas; the error names the nearest right one.
    Result<void> check_fields(std::span<const Schema* const> schemas) const;

    // Adds the row's line to `out`, with a head line before the first row of each schema.
    void add(const Row& row, std::string& out);

  private:
    struct Shape {
        std::vector<Column> columns;
        std::vector<std::size_t> widths;
        std::vector<std::string_view> labels;  // names without the unit, which stands in the value
    };
    Shape& shape_of(const Schema& schema);
    std::string cell(const Row& row, const Column& column);
    void add_mixed(const Row& row, const Shape& shape, std::string& out);
    void add_named(const Row& row, const Shape& shape, std::string& out);

    Layout layout_;
    Lookup lookup_;
    std::map<const Schema*, Shape> shapes_;
    const Schema* last_ = nullptr;
    bool headed_ = false;
    TimeOfDay time_;
};

}  // namespace waggle::cli
