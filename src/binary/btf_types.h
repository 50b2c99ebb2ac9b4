// SPDX-License-Identifier: Apache-2.0
// BtfTypes: a .BTF section, read and checked. BTF describes C types: BPF objects, maps and the kernel carry
// it.
//
// After parse() every name and every type number inside is valid, and no type contains itself by value, so
// whoever follows members, elements and typedefs ends. (Pointers can lead in circles.) Immutable; any thread.
// Source: Documentation/bpf/btf.rst, up to ENUM64 (6.0). An own reader, because libbpf 1.1 checks neither
// type numbers nor circles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/result.h"

namespace waggle::kernel {

enum class BtfKind : std::uint8_t {
    none,  // type 0: void
    integer,
    pointer,
    array,
    structure,
    union_,
    enumeration,
    forward,
    typedef_,
    volatile_,
    const_,
    restrict_,
    function,
    function_type,
    variable,
    section,
    floating,
    decl_tag,
    type_tag,
    enumeration64,
};

class BtfTypes {
  public:
    // Takes the bytes. The error says what is wrong with them.
    static Result<BtfTypes> parse(std::vector<std::byte> raw);

    struct Type {
        BtfKind kind = BtfKind::none;
        bool flag = false;         // struct: members have bit sizes; enum: signed; forward: union
        std::uint32_t count = 0;   // members, values, parameters, variables
        std::uint32_t size = 0;    // bytes, of kinds that have a size
        std::uint32_t target = 0;  // the type it stands for, of kinds that have one
        std::string_view name;     // empty where it has none
        std::size_t extra = 0;     // position of what follows
    };
    struct Member {
        std::string_view name;
        std::uint32_t type = 0;
        std::uint32_t bit_offset = 0;
        std::uint32_t bits = 0;  // 0: no bitfield
    };
    struct Integer {
        bool is_signed = false, is_char = false, is_bool = false;
        std::uint32_t bit_offset = 0;  // bitfields of old compilers
        std::uint32_t bits = 0;
    };
    struct Array {
        std::uint32_t element = 0;
        std::uint32_t count = 0;
    };
    // A variable of a section: `type` is the variable's type number (kind variable).
    struct Placed {
        std::uint32_t type = 0, offset = 0, size = 0;
    };

    // Type numbers run from 1 to count(); 0 is void. An unknown number gives void.
    std::uint32_t count() const { return static_cast<std::uint32_t>(at_.size()) - 1; }
    Type type(std::uint32_t id) const;
    Member member(const Type& type, std::uint32_t index) const;
    Integer integer(const Type& type) const;
    Array array(const Type& type) const;
    Placed placed(const Type& section, std::uint32_t index) const;
    // The name of a value of an enum; empty where it has none.
    std::string_view value_name(const Type& type, std::uint64_t value) const;
    // Which member or parameter a decl_tag is about; -1: the type itself.
    std::int32_t tagged_part(const Type& tag) const;

    // What stands behind typedef, const, volatile, restrict and type tags.
    std::uint32_t plain(std::uint32_t id) const;
    // Bytes; 0 where it has no size. Stays below 2^63.
    std::uint64_t size_of(std::uint32_t id) const;
    // As C writes it: "struct sock *", "char[16]".
    std::string spelled(std::uint32_t id) const;

  private:
    BtfTypes() = default;
    std::uint32_t word(std::size_t at) const;
    std::string_view text(std::uint32_t offset) const;
    Result<void> check_references() const;
    Result<void> check_circles() const;
    // The types that `id` holds by value.
    std::vector<std::uint32_t> parts(std::uint32_t id) const;

    std::vector<std::byte> raw_;
    std::size_t strings_ = 0, strings_size_ = 0;
    std::vector<std::uint32_t> at_;  // where each type begins
};

}  // namespace waggle::kernel
