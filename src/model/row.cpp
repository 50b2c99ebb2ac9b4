// SPDX-License-Identifier: Apache-2.0
#include "model/row.h"

#include <fmt/core.h>

#include <cstring>

namespace waggle {
namespace {

static_assert(sizeof(waggle_text) == sizeof(waggle_histogram) &&
              offsetof(waggle_text, length) == offsetof(waggle_histogram, length));

// Whether the field says where in the tail its value is.
bool points_behind(const Field& field) {
    return field.type == Type::text_ref || field.type == Type::distribution;
}

}  // namespace

std::uint64_t Row::u64(const Field& field) const {
    switch (field.type) {
        case Type::u8:
        case Type::flag:
            return load<std::uint8_t>(bytes_, field.offset);
        case Type::u16:
            return load<std::uint16_t>(bytes_, field.offset);
        case Type::u32:
            return load<std::uint32_t>(bytes_, field.offset);
        case Type::u64:
        case Type::i64:
            return load<std::uint64_t>(bytes_, field.offset);
        case Type::i32:
            return static_cast<std::uint64_t>(
                static_cast<std::int64_t>(load<std::int32_t>(bytes_, field.offset)));
        case Type::real:
        case Type::text:
        case Type::text_ref:
        case Type::address:
        case Type::histogram:
        case Type::distribution:
            return 0;
    }
    return 0;
}

double Row::real(const Field& field) const {
    if (field.type == Type::real) return load<double>(bytes_, field.offset);
    if (field.type == Type::i32 || field.type == Type::i64) return static_cast<double>(i64(field));
    return static_cast<double>(u64(field));
}

std::string_view Row::text(const Field& field) const {
    if (field.type == Type::text) {
        const char* begin = reinterpret_cast<const char*>(bytes_.data()) + field.offset;
        return {begin, ::strnlen(begin, field.size)};
    }
    if (field.type != Type::text_ref) return {};
    return behind(field);
}

std::string_view Row::histogram(const Field& field) const {
    if (field.type == Type::distribution) return behind(field);
    if (field.type != Type::histogram) return {};
    return {reinterpret_cast<const char*>(bytes_.data()) + field.offset, field.size};
}

std::string_view Row::behind(const Field& field) const {
    const auto ref = load<waggle_text>(bytes_, field.offset);
    if (ref.offset > bytes_.size() || ref.length > bytes_.size() - ref.offset) return {};
    return {reinterpret_cast<const char*>(bytes_.data()) + ref.offset, ref.length};
}

std::uint64_t Row::u64(std::string_view field) const {
    const Field* found = schema_->find(field);
    return found ? u64(*found) : 0;
}

std::string_view Row::text(std::string_view field) const {
    const Field* found = schema_->find(field);
    return found ? text(*found) : std::string_view{};
}

Result<Row> read_record(std::span<const Schema* const> schemas, Bytes record) {
    if (record.size() < sizeof(waggle_event))
        return Error{fmt::format("record of {} bytes is shorter than its header of {}", record.size(),
                                 sizeof(waggle_event))};
    const auto kind = load<std::uint16_t>(record, offsetof(waggle_event, kind));
    const auto size = load<std::uint32_t>(record, offsetof(waggle_event, size));
    if (kind >= schemas.size())
        return Error{
            fmt::format("record kind {} is unknown; this sensor has {} kinds", kind, schemas.size())};
    const Schema& schema = *schemas[kind];
    if (size < schema.size || size > record.size())
        return Error{fmt::format("record says it has {} bytes; {} has {} and {} arrived", size, schema.name,
                                 schema.size, record.size())};
    const Row row(schema, record.first(size));
    if (size == schema.size) {
        // A record without a tail has nowhere to point to but nowhere: length 0.
        for (const Field& field : schema.fields)
            if (points_behind(field) && load<waggle_text>(record, field.offset).length != 0)
                return Error{fmt::format("{}.{} points outside its record", schema.name, field.name)};
        return row;
    }
    for (const Field& field : schema.fields) {
        if (!points_behind(field)) continue;
        const auto ref = load<waggle_text>(record, field.offset);
        if (ref.offset > size || ref.length > size - ref.offset)
            return Error{fmt::format("{}.{} points outside its record", schema.name, field.name)};
    }
    return row;
}

}  // namespace waggle
