// SPDX-License-Identifier: Apache-2.0
#include "query/given_table.h"

#include "model/columns.h"
#include "query/relation_module.h"

namespace waggle::explain {
namespace {

Cell cell_of_value(const Value& value) {
    Cell cell;
    cell.kind = value.kind;
    cell.integer = value.integer;
    cell.real = value.real;
    cell.text = value.text;
    return cell;
}

}  // namespace

GivenTable given_table_of(const Schema& schema) {
    GivenTable table{std::string(schema.name), {}};
    const std::vector<std::byte> zeros(schema.size);
    const Row row(schema, zeros);
    Value value;
    for (const Column& column : columns_of(schema)) {
        GivenColumn out{std::string(column.name),
                        std::string(column.meaning),
                        std::string(sql_type(column)),
                        column.unit,
                        false,
                        false,
                        true,
                        {}};
        out.text = column.type == Type::text || column.type == Type::text_ref || column.type == Type::address;
        out.named = column.field && !column.field->dictionary.empty();
        const bool nullable = column.field && (column.field->traits & trait_nullable);
        if (!nullable && column.type != Type::histogram && column.type != Type::distribution) {
            read_column(row, column, {}, value);
            out.absent = cell_of_value(value);
        }
        table.columns.push_back(std::move(out));
    }
    return table;
}

}  // namespace waggle::explain
