// SPDX-License-Identifier: Apache-2.0
// Types: what bytes mean. Prints any value by its BTF type (BTF: the description of C types that BPF objects,
// maps and the kernel carry), as text for people and as JSON, and lists a type's fields so that values become
// rows.
//
//     auto types = waggle::Types::of_elf(elf);
//     auto event = types->find("struct event");
//     ring.drain([&](auto records) {
//         for (waggle::Bytes record : records) puts(types->text(*event, record)->c_str());
//     });      // {pid: 812, comm: "nginx", state: TCP_LISTEN, caller: 0xffffffff81234567 (tcp_connect+0x17)}
//
// Text: members by name; enums by name (the number where it has none); char arrays as text up to the first
// zero, escaped; pointers as addresses, with the kernel's symbol where resolve_symbols() gave names; unions
// show every member; unnamed members show as C reads them, in their parent. A flexible array at the end
// (`char text[]`) takes the rest of the bytes. JSON: the same, numbers as numbers, pointers as text.
//
// Foreign types are checked when opened: a name or number outside, or a type that contains itself, is an
// error; what is printed is bounded (64 levels deep, 65,536 values; beyond stands "..." or null). Immutable
// once made; copies share the types; any thread. Needs a little-endian machine. Source: BTF as of kernel 6.0
// (ENUM64), found in ELF section .BTF, /sys/kernel/btf and BPF_BTF_GET_FD_BY_ID.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/result.h"

namespace waggle {

class MapView;
namespace kernel {
class BtfTypes;
}

// A type's number in its Types. 0 is void.
using TypeId = std::uint32_t;

// A field of a type, with those of nested structs beside it: "addr.port".
struct TypeField {
    std::string name;    // "addr.port"
    std::string type;    // as C writes it: "char[16]"
    TypeId type_id = 0;  // its number in the Types
    std::uint32_t offset =
        0;                   // bytes from the value's first; of a bitfield: of the byte its first bit lies in
    std::uint64_t size = 0;  // bytes; 0: a flexible array, the rest of the value
    std::uint32_t bit_offset = 0;  // bitfields: the first bit in that byte
    std::uint32_t bits = 0;        // 0: no bitfield
};

// Names an address of the kernel ("tcp_connect+0x17"); empty where nothing is known.
using SymbolNames = std::function<std::string(std::uint64_t address)>;

// Of the running kernel, from /proc/kallsyms (30 to 80 ms, 1.5 to 4 MiB). privilege: it hides its addresses.
Result<SymbolNames> kernel_symbol_names();

// The types of one BTF. See the head of this file.
class Types {
  public:
    // A raw .BTF section; the bytes are copied.
    static Result<Types> of_btf(Bytes raw);
    // The .BTF section of an ELF file (a compiled BPF object); a file without one is an error.
    static Result<Types> of_elf(Bytes elf);
    // The running kernel's own types (about 6 MiB).
    static Result<Types> of_kernel(const std::string& path = "/sys/kernel/btf/vmlinux");
    // What the map was made with; shape().key_type and value_type are numbers in it. A map without is an
    // error.
    static Result<Types> of_map(const MapView& map);

    // From now on pointers are printed with what `names` says of them.
    void resolve_symbols(SymbolNames names) { symbols_ = std::move(names); }

    // Type numbers run from 1 to this.
    std::uint32_t count() const;
    // "struct event", "union u", "enum e", or a bare name, for which typedefs and integers count too. The
    // error names the nearest.
    Result<TypeId> find(std::string_view name) const;
    std::string name(TypeId type) const;    // as C writes it
    std::uint64_t size(TypeId type) const;  // bytes; a flexible array counts nothing

    // The bytes are as long as the type or longer; shorter is an error that says both lengths.
    Result<std::string> text(TypeId type, Bytes value) const;
    // One line of JSON, on the same terms.
    Result<std::string> json(TypeId type, Bytes value) const;

    // At most 4,096; a type that is no struct or union has one, named "value".
    std::vector<TypeField> fields(TypeId type) const;
    // One field of a value: what text() and json() print for it. "..." and null where the value ends before.
    std::string field_text(const TypeField& field, Bytes value) const;
    // The same as JSON.
    std::string field_json(const TypeField& field, Bytes value) const;

    // The reader beneath, for waggle's own use.
    const kernel::BtfTypes& btf() const { return *btf_; }

  private:
    explicit Types(std::shared_ptr<const kernel::BtfTypes> btf) : btf_(std::move(btf)) {}
    static Result<Types> parse(std::vector<std::byte> raw);

    std::shared_ptr<const kernel::BtfTypes> btf_;
    SymbolNames symbols_;
};

}  // namespace waggle
