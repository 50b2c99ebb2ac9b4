// SPDX-License-Identifier: Apache-2.0
// ValuePrinter: one value by its type, as text or JSON. The work behind Types::text() and json().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "binary/btf_types.h"
#include "waggle/bytes.h"
#include "waggle/types.h"

namespace waggle::kernel {

// A JSON string with its quotes: all beyond plain ASCII is written \uXXXX, bytes that are no UTF-8 become
// U+FFFD.
std::string json_string(std::string_view text);

class ValuePrinter {
  public:
    enum class Form : std::uint8_t { text, json };

    // All are borrowed. `value` is the whole record; what lies behind its end prints as missing.
    ValuePrinter(const BtfTypes& types, const SymbolNames& symbols, Form form, Bytes value)
        : types_(types), symbols_(symbols), form_(form), value_(value) {}

    std::string print(TypeId type);
    std::string print_field(const TypeField& field);

  private:
    // A place in the value: the byte, and for bitfields the bits. `end` bounds a flexible array.
    struct Place {
        std::uint64_t offset = 0;
        std::uint64_t end = 0;
        std::uint32_t bit_offset = 0;
        std::uint32_t bits = 0;
    };
    void put(TypeId type, Place place, int depth);
    void put_integer(const BtfTypes::Type& type, Place place);
    void put_enum(const BtfTypes::Type& type, Place place);
    void put_float(const BtfTypes::Type& type, Place place);
    void put_pointer(Place place);
    void put_array(const BtfTypes::Type& type, Place place, int depth);
    void put_struct(const BtfTypes::Type& type, Place place, int depth);
    // The members, without braces; those of unnamed members among them.
    void put_members(const BtfTypes::Type& type, Place place, int depth, bool& first);
    void put_missing() { out_ += form_ == Form::json ? "null" : "..."; }
    void put_text(std::string_view text);
    bool inside(std::uint64_t offset, std::uint64_t size) const {
        return offset <= value_.size() && size <= value_.size() - offset;
    }
    // Up to 64 bits, not extended; false where they lie outside.
    bool bits_at(Place place, std::uint32_t size, std::uint64_t& out) const;
    bool is_char(TypeId type) const;

    const BtfTypes& types_;
    const SymbolNames& symbols_;
    Form form_;
    Bytes value_;
    std::string out_;
    std::uint32_t values_ = 0;
};

}  // namespace waggle::kernel
