// SPDX-License-Identifier: Apache-2.0
#include "model/columns.h"

#include <arpa/inet.h>

#include "base/text.h"
#include "model/histogram.h"

namespace waggle {

std::vector<Column> columns_of(const Schema& schema) {
    std::vector<Column> columns;
    columns.reserve(schema.fields.size() + std::size(subject_columns));
    for (const Field& field : schema.fields)
        columns.push_back({field.name, field.meaning, field.type, field.unit, &field, nullptr,
                           (field.traits & trait_hidden) != 0});
    if (schema.has_subject)
        for (const SubjectColumn& column : subject_columns)
            if (!schema.find(column.name))  // a schema that brings its own wins
                columns.push_back(
                    {column.name, column.meaning, Type::text, Unit::none, nullptr, &column, true});
    return columns;
}

std::string format_address(const waggle_address& address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (address.family == 4) inet_ntop(AF_INET, address.bytes, text, sizeof text);
    if (address.family == 6) inet_ntop(AF_INET6, address.bytes, text, sizeof text);
    return text;
}

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

void read_column(const Row& row, const Column& column, const Lookup& lookup, Value& value) {
    value.kind = Value::Kind::null;
    if (column.subject) {
        const waggle_event who = row.header();
        value.own.clear();
        if (lookup.subjects)
            lookup.subjects->with(who.pid, who.start_ns, who.cgroup_id, [&](const Subject& subject) {
                value.own = subject.*column.subject->member;
            });
        if (value.own.empty()) return;
        value.kind = Value::Kind::text;
        value.text = value.own;
        return;
    }
    const Field& field = *column.field;
    if (field.traits & trait_absent) return;
    switch (field.type) {
        case Type::u8:
        case Type::u16:
        case Type::u32:
        case Type::u64:
        case Type::i32:
        case Type::i64:
        case Type::flag: {
            const std::uint64_t number = row.u64(field);
            if ((field.traits & trait_nullable) && static_cast<std::int64_t>(number) == null_i64) return;
            if (!field.dictionary.empty() && lookup.names) {
                const std::string_view name = lookup.names->find(field.dictionary, number);
                if (!name.empty()) {
                    value.kind = Value::Kind::text;
                    value.text = name;
                    return;
                }
            }
            value.kind = Value::Kind::integer;
            value.integer = static_cast<std::int64_t>(number);
            return;
        }
        case Type::real:
            value.kind = Value::Kind::real;
            value.real = row.real(field);
            return;
        case Type::text:
        case Type::text_ref:
            value.text = row.text(field);
            if ((field.traits & trait_nullable) && value.text.empty()) return;
            value.kind = Value::Kind::text;
            return;
        case Type::address:
            value.own = format_address(row.address(field));
            if (value.own.empty()) return;
            value.kind = Value::Kind::text;
            value.text = value.own;
            return;
        case Type::histogram:
        case Type::distribution:
            value.kind = Value::Kind::blob;
            value.text = row.histogram(field);
            return;
    }
}

std::string format_column(const Row& row, const Column& column, const Lookup& lookup) {
    Value value;
    read_column(row, column, lookup, value);
    switch (value.kind) {
        case Value::Kind::null:
            return {};
        case Value::Kind::integer:
            if (column.type == Type::flag) return value.integer ? "yes" : "no";
            return format_number(static_cast<double>(value.integer), column.unit);
        case Value::Kind::real:
            return format_number(value.real, column.unit);
        case Value::Kind::text:
            return escape_control(value.text);
        case Value::Kind::blob: {
            HistogramReader slots(value.text);
            std::size_t slot = 0;
            std::uint64_t total = 0;
            for (std::uint64_t count = 0; slots.next(slot, count);) total += count;
            return format_count(static_cast<std::int64_t>(total)) + " values";
        }
    }
    return {};
}

}  // namespace waggle
