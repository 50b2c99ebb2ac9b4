// SPDX-License-Identifier: Apache-2.0
#include "sensors/object/object_columns.h"

#include <fmt/core.h>

#include <cctype>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace waggle::sensors {
namespace {

using kernel::FieldKind;

Type column_type(FieldKind kind) {
    switch (kind) {
        case FieldKind::number:
            return Type::u64;
        case FieldKind::signed_number:
            return Type::i64;
        case FieldKind::real:
            return Type::real;
        case FieldKind::flag:
            return Type::flag;
        case FieldKind::characters:
        case FieldKind::expression:
            return Type::text_ref;
    }
    return Type::text_ref;
}

std::string column_name(std::string_view prefix, std::string_view field, bool alone) {
    std::string out(prefix);
    if (out.empty() || !alone) out += (out.empty() ? "" : "_") + std::string(field);
    return sql_name(out);
}

// A whole number as its type prints it, with its sign.
std::uint64_t number_in(std::string_view text) {
    std::int64_t negative = 0;
    std::uint64_t value = 0;
    if (text.starts_with('-')) {
        std::from_chars(text.data(), text.data() + text.size(), negative);
        return static_cast<std::uint64_t>(negative);
    }
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

std::string sql_name(std::string_view name) {
    std::string out(name);
    for (char& c : out)
        if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') c = '_';
    return out;
}

std::string hex(Bytes bytes) {
    std::string out;
    for (const std::byte each : bytes) out += fmt::format("{:02x}", static_cast<unsigned>(each));
    return out;
}

TypeColumns::TypeColumns(MadeSchema& schema, const std::optional<Types>& types, TypeId type, std::size_t size,
                         std::string_view prefix)
    : types_(types), typed_(types && type != 0) {
    std::vector<TypeField> fields;
    if (typed_) {
        fields = types_->fields(type);
    } else {
        TypeField whole;
        whole.name = prefix.empty() ? "value" : prefix;
        whole.size = size;
        fields.push_back(whole);
    }
    const bool alone = !typed_ || (fields.size() == 1 && fields.front().name == "value");
    for (const TypeField& field : fields) {
        const FieldKind kind = typed_                   ? kernel::kind_of_field(*types_, field)
                               : size == 4 || size == 8 ? FieldKind::number
                                                        : FieldKind::expression;
        const std::string meaning = typed_ ? fmt::format("{}, {}.", field.name, field.type)
                                           : fmt::format("{} bytes, whose type is not known.", size);
        const std::size_t number =
            schema.add(column_name(prefix, field.name, alone), column_type(kind),
                       {.meaning = meaning,
                        // An expression is shown as it is, a text in quotes.
                        .unit = kind == FieldKind::expression ? Unit::identifier : Unit::none});
        columns_.push_back({field, kind, number});
    }
}

void TypeColumns::put(Bytes value, MadeRecords& records) const {
    for (const Column& column : columns_) {
        if (!typed_) {
            if (column.kind == FieldKind::number)
                records.number(column.number,
                               value.size() == 4 ? load<std::uint32_t>(value) : load<std::uint64_t>(value));
            else
                records.text(column.number, hex(value));
            continue;
        }
        switch (column.kind) {
            case FieldKind::number:
            case FieldKind::signed_number:
                records.number(column.number, number_in(types_->field_text(column.field, value)));
                break;
            case FieldKind::flag:
                records.number(column.number, types_->field_text(column.field, value) == "true");
                break;
            case FieldKind::real:
                records.real(column.number,
                             std::strtod(types_->field_text(column.field, value).c_str(), nullptr));
                break;
            case FieldKind::characters:
                records.text(column.number, kernel::characters_of(column.field, value));
                break;
            case FieldKind::expression:
                records.text(column.number, types_->field_text(column.field, value));
                break;
        }
    }
}

}  // namespace waggle::sensors
