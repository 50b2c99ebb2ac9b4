// SPDX-License-Identifier: Apache-2.0
#include "engine/types/field_kinds.h"

#include <algorithm>
#include <cstring>

#include "binary/btf_types.h"

namespace waggle::kernel {
namespace {

bool is_char(const BtfTypes& types, TypeId id) {
    const BtfTypes::Type type = types.type(types.plain(id));
    return type.kind == BtfKind::integer && type.size == 1 &&
           (types.integer(type).is_char || type.name == "char");
}

}  // namespace

FieldKind kind_of_field(const Types& types, const TypeField& field) {
    const BtfTypes& btf = types.btf();
    const BtfTypes::Type type = btf.type(btf.plain(field.type_id));
    if (type.kind == BtfKind::floating && (type.size == 4 || type.size == 8)) return FieldKind::real;
    if (type.kind == BtfKind::array && is_char(btf, btf.array(type).element)) return FieldKind::characters;
    if (type.kind != BtfKind::integer || type.size > 8) return FieldKind::expression;
    const BtfTypes::Integer integer = btf.integer(type);
    if (integer.is_bool) return FieldKind::flag;
    return integer.is_signed || is_char(btf, field.type_id) ? FieldKind::signed_number : FieldKind::number;
}

std::string_view characters_of(const TypeField& field, Bytes value) {
    if (field.offset > value.size()) return {};
    const std::uint64_t held = value.size() - field.offset;
    const std::uint64_t most = field.size ? std::min<std::uint64_t>(field.size, held) : held;
    const char* text = reinterpret_cast<const char*>(value.data()) + field.offset;
    return {text, ::strnlen(text, most)};
}

std::vector<TypeField> section_fields(const Types& types, TypeId section) {
    const BtfTypes& btf = types.btf();
    const BtfTypes::Type type = btf.type(section);
    std::vector<TypeField> out;
    for (std::uint32_t i = 0; type.kind == BtfKind::section && i < type.count; ++i) {
        const BtfTypes::Placed placed = btf.placed(type, i);
        const BtfTypes::Type variable = btf.type(placed.type);
        out.push_back({std::string(variable.name), types.name(variable.target), variable.target,
                       placed.offset, placed.size, 0, 0});
    }
    return out;
}

}  // namespace waggle::kernel
