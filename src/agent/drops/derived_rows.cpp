// SPDX-License-Identifier: Apache-2.0
#include "agent/drops/derived_rows.h"

#include <cstring>

namespace waggle::agent {

std::vector<Field> derived_fields(std::span<const DerivedColumn> columns) {
    std::vector<Field> made;
    for (const DerivedColumn& column : columns)
        made.push_back(make_field(column.name, column.type, column.unit, made.size() * derived_cell_size,
                                  derived_cell_size, column.meaning,
                                  column.type == Type::real ? trait_none : trait_nullable));
    return made;
}

void append_derived(const DerivedRow& values, std::span<const DerivedColumn> columns, Table& table) {
    const std::size_t fixed = columns.size() * derived_cell_size;
    std::string tail;
    std::vector<std::uint64_t> record(columns.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto cell = values.find(columns[i].name);
        void* to = &record[i];
        if (columns[i].type == Type::text_ref) {
            const auto* value = cell == values.end() ? nullptr : std::get_if<std::string>(&cell->second);
            const waggle_text ref = {static_cast<__u32>(fixed + tail.size()),
                                     value ? static_cast<__u32>(value->size()) : 0};
            if (value) tail += *value;
            std::memcpy(to, &ref, sizeof ref);
        } else if (columns[i].type == Type::real) {
            const auto* value = cell == values.end() ? nullptr : std::get_if<double>(&cell->second);
            const double real = value ? *value : 0;
            std::memcpy(to, &real, sizeof real);
        } else {
            const auto* value = cell == values.end() ? nullptr : std::get_if<std::int64_t>(&cell->second);
            const std::int64_t integer = value ? *value : null_i64;
            std::memcpy(to, &integer, sizeof integer);
        }
    }
    const std::size_t size = fixed + tail.size();
    record.resize((size + 7) / 8);
    auto* bytes = reinterpret_cast<std::byte*>(record.data());
    if (!tail.empty()) std::memcpy(bytes + fixed, tail.data(), tail.size());
    table.append(Row(table.schema(), {bytes, size}));
}

}  // namespace waggle::agent
