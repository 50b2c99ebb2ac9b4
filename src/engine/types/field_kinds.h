// SPDX-License-Identifier: Apache-2.0
// What a field of a type is as a column: a number, a text, or an expression that stands for what a column
// cannot hold (an array, an address with its symbol).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/types.h"

namespace waggle::kernel {

enum class FieldKind : std::uint8_t {
    number,         // unsigned, at most 64 bits
    signed_number,  // at most 64 bits
    real,
    flag,        // bool
    characters,  // an array of char
    expression,  // as Types::field_text() prints it: enums, pointers, arrays, wider numbers
};

FieldKind kind_of_field(const Types& types, const TypeField& field);

// The text that a field of kind characters holds, to its first zero; it borrows the value.
std::string_view characters_of(const TypeField& field, Bytes value);

// The variables of a section of globals (".bss"): the value type of the map that holds them. Nothing where it
// is no section.
std::vector<TypeField> section_fields(const Types& types, TypeId section);

}  // namespace waggle::kernel
