// SPDX-License-Identifier: Apache-2.0
// ElfFile: the sections and symbols of a 64-bit little-endian ELF file, every offset checked. Borrows the
// bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/result.h"

namespace waggle::kernel {

struct ElfSection {
    std::string_view name;
    std::uint32_t type = 0;   // SHT_…
    std::uint64_t flags = 0;  // SHF_…
    std::uint64_t size = 0;
    std::uint32_t link = 0;
    std::uint32_t info = 0;
    std::uint64_t header_at = 0;  // where its header stands in the file
    Bytes content;                // empty for SHT_NOBITS
};

struct ElfSymbol {
    std::string_view name;
    unsigned char type = 0;     // STT_…
    unsigned char binding = 0;  // STB_…
    std::uint16_t section = 0;  // index; SHN_UNDEF where it is not defined here
    std::uint64_t value = 0;
    std::uint64_t size = 0;
};

class ElfFile {
  public:
    // An error says what the bytes are instead, or where they end too early.
    static Result<ElfFile> parse(Bytes bytes);

    std::uint16_t machine() const { return machine_; }
    std::uint16_t type() const { return type_; }  // ET_…
    const std::vector<ElfSection>& sections() const { return sections_; }
    const ElfSection* section(std::string_view name) const;
    // Of .symtab and .dynsym.
    std::vector<ElfSymbol> symbols() const;
    // Where the address lies in the file, by the loadable segments; nothing where it lies in none.
    std::optional<std::uint64_t> file_offset(std::uint64_t address) const;
    // Lower-case hexadecimal; empty where there is none.
    std::string build_id() const;

  private:
    struct Segment {
        std::uint64_t offset;
        std::uint64_t address;
        std::uint64_t size;
    };

    std::uint16_t machine_ = 0;
    std::uint16_t type_ = 0;
    std::vector<ElfSection> sections_;
    std::vector<Segment> segments_;
};

// "x86-64", "AArch64", "BPF"; else the number.
std::string machine_name(std::uint16_t machine);

}  // namespace waggle::kernel
