// SPDX-License-Identifier: Apache-2.0
#include "render/row_printer.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>

#include "base/nearest.h"
#include "base/text.h"
#include "render/json.h"

namespace waggle::cli {
namespace {

// Wide enough for what usually stands there; a longer value pushes the rest of its own line only.
std::size_t usual_width(const Column& column) {
    if (column.name == "time_ns") return 15;
    switch (column.type) {
        case Type::u8:
        case Type::flag:
            return 3;
        case Type::u16:
            return 5;
        case Type::u32:
        case Type::i32:
            return 7;
        case Type::u64:
        case Type::i64:
        case Type::real:
            return 9;
        case Type::address:
            return 15;
        case Type::histogram:
        case Type::distribution:
            return 12;
        case Type::text:
            return 15;
        case Type::text_ref:
            return 20;
    }
    return 9;
}

bool right_aligned(const Column& column) {
    return column.name != "time_ns" && column.type < Type::text &&
           (!column.field || column.field->dictionary.empty());
}

// A text among others is told from them by its quotes; what stands for a number or a thing has none.
std::string told_apart(std::string text, const Column& column) {
    if (column.type != Type::text_ref || column.unit == Unit::identifier) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\\\"") : std::string(1, c);
    return out + "\"";
}

}  // namespace

std::string row_in_braces(const Row& row, std::span<const Column> columns, const Lookup& lookup) {
    std::string out;
    for (const Column& column : columns) {
        const std::string value = told_apart(format_column(row, column, lookup), column);
        if (columns.size() == 1 && column.name == "value") return value;
        out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", escape_control(column.name), value);
    }
    return "{" + out + "}";
}

std::string TimeOfDay::text(std::uint64_t realtime_ns) {
    const std::uint64_t second = realtime_ns / 1'000'000'000;
    if (second != second_) {
        second_ = second;
        const auto seconds = static_cast<std::time_t>(second);
        std::tm local{};
        localtime_r(&seconds, &local);
        text_ = fmt::format("{:02}:{:02}:{:02}.000000", local.tm_hour, local.tm_min, local.tm_sec);
    }
    auto rest = static_cast<std::uint32_t>(realtime_ns / 1000 % 1'000'000);
    for (std::size_t at = text_.size(); rest > 0 || at > text_.size() - 6; rest /= 10)
        text_[--at] = static_cast<char>('0' + rest % 10);
    return text_;
}

Result<void> RowPrinter::check_fields(std::span<const Schema* const> schemas) const {
    if (layout_.fields.empty()) return {};
    for (const std::string_view wanted : split(layout_.fields, ',')) {
        std::vector<std::string_view> known;
        for (const Schema* schema : schemas)
            for (const Column& column : columns_of(*schema)) known.push_back(column.name);
        if (std::find(known.begin(), known.end(), trim(wanted)) != known.end()) continue;
        return Error{fmt::format("--fields: there is no field named {}{}", escape_control(trim(wanted)),
                                 did_you_mean(trim(wanted), known)),
                     ErrorKind::usage};
    }
    return {};
}

RowPrinter::Shape& RowPrinter::shape_of(const Schema& schema) {
    const auto [place, fresh] = shapes_.try_emplace(&schema);
    Shape& shape = place->second;
    if (!fresh) return shape;
    const std::vector<Column> all = columns_of(schema);
    if (layout_.fields.empty()) {
        for (const Column& column : all)
            if (!column.hidden || layout_.json) shape.columns.push_back(column);
        // The long text, of which a line has room for one, goes last.
        std::stable_partition(shape.columns.begin(), shape.columns.end(),
                              [](const Column& column) { return column.type != Type::text_ref; });
    } else {
        for (const std::string_view wanted : split(layout_.fields, ','))
            for (const Column& column : all)
                if (column.name == trim(wanted)) shape.columns.push_back(column);
    }
    for (const Column& column : shape.columns) {
        shape.widths.push_back(std::max(column.name.size(), usual_width(column)));
        std::string_view label = column.name;
        for (const std::string_view unit : {"_ns", "_bytes"})
            if (label.ends_with(unit)) label.remove_suffix(unit.size());
        shape.labels.push_back(label);
    }
    return shape;
}

std::string RowPrinter::cell(const Row& row, const Column& column) {
    if (column.name == "time_ns")
        return time_.text(row.u64(*column.field) + layout_.realtime_minus_monotonic_ns);
    return format_column(row, column, lookup_);
}

void RowPrinter::add_mixed(const Row& row, const Shape& shape, std::string& out) {
    static constexpr std::string_view first[] = {"time", "event", "pid", "comm"};
    static constexpr std::size_t widths[] = {15, 13, 7, 15};
    const auto add_cell = [&](std::size_t i, std::string_view text) {
        const std::size_t spaces = text.size() < widths[i] ? widths[i] - text.size() : 0;
        const bool right = i == 2;
        if (right) out.append(spaces, ' ');
        out += text;
        out.append(right ? 1 : spaces + 1, ' ');
    };
    if (!headed_) {
        for (std::size_t i = 0; i < std::size(first); ++i) add_cell(i, first[i]);
        out.back() = '\n';
    }
    headed_ = true;
    std::string time, pid, comm, rest;
    for (std::size_t i = 0; i < shape.columns.size(); ++i) {
        const Column& column = shape.columns[i];
        std::string text = cell(row, column);
        if (column.name == "time_ns")
            time = std::move(text);
        else if (column.name == "pid")
            pid = std::move(text);
        else if (column.name == "comm")
            comm = std::move(text);
        else if (!text.empty())
            rest.append(rest.empty() ? "" : ", ").append(shape.labels[i]).append(" ").append(text);
    }
    add_cell(0, time);
    add_cell(1, row.schema().name);
    add_cell(2, pid);
    add_cell(3, comm);
    out.append(rest).append("\n");
}

void RowPrinter::add_named(const Row& row, const Shape& shape, std::string& out) {
    static constexpr std::string_view first[] = {"time_ns", "pid", "comm"};
    const auto is_first = [](const Column& column) {
        return std::ranges::find(first, column.name) != std::end(first);
    };
    if (!headed_) out += fmt::format("{:<15} {:>7} {}\n", "time", "pid", "comm");
    headed_ = true;
    std::string who[3], rest, below;
    for (const Column& column : shape.columns) {
        if (is_first(column)) {
            who[std::ranges::find(first, column.name) - std::begin(first)] = cell(row, column);
            continue;
        }
        const std::string_view text =
            column.type == Type::text_ref ? row.text(*column.field) : std::string_view();
        if (column.name == "stack" || text.find('\n') != std::string_view::npos) {
            for (const std::string_view line : split(text, '\n'))
                if (!line.empty()) below += "        " + escape_control(line) + "\n";
            continue;
        }
        const std::string said = told_apart(cell(row, column), column);
        rest += fmt::format("{}{} {}", rest.empty() ? " " : ", ", column.name,
                            said.empty() ? "-" : said);  // what is not known
    }
    out += fmt::format("{:<15} {:>7} {:<15}{}\n{}", who[0], who[1], who[2], rest, below);
}

void RowPrinter::add(const Row& row, std::string& out) {
    Shape& shape = shape_of(row.schema());
    if (layout_.json) {
        out += sinks::row_json(row, shape.columns, lookup_);
        out += '\n';
        return;
    }
    if (layout_.named) return add_named(row, shape, out);
    if (layout_.mixed && layout_.fields.empty()) return add_mixed(row, shape, out);
    const auto pad = [&](std::string_view text, std::size_t i) {
        const std::size_t width = shape.widths[i];
        const std::size_t spaces = text.size() < width ? width - text.size() : 0;
        const bool right = right_aligned(shape.columns[i]);
        if (i > 0) out += ' ';
        if (right) out.append(spaces, ' ');
        out += text;
        if (!right && i + 1 < shape.columns.size()) out.append(spaces, ' ');
    };
    if (last_ != &row.schema()) {
        last_ = &row.schema();
        for (std::size_t i = 0; i < shape.columns.size(); ++i)
            pad(shape.columns[i].name == "time_ns" ? "time" : shape.columns[i].name, i);
        out += '\n';
    }
    for (std::size_t i = 0; i < shape.columns.size(); ++i) pad(cell(row, shape.columns[i]), i);
    out += '\n';
}

}  // namespace waggle::cli
