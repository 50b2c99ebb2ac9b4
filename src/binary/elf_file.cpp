// SPDX-License-Identifier: Apache-2.0
#include "binary/elf_file.h"

#include <elf.h>
#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace waggle::kernel {
namespace {

static_assert(std::endian::native == std::endian::little);

bool inside(std::uint64_t offset, std::uint64_t size, std::uint64_t whole) {
    return offset <= whole && size <= whole - offset;
}

std::string_view text_at(Bytes table, std::uint64_t offset) {
    if (offset >= table.size()) return {};
    const char* begin = reinterpret_cast<const char*>(table.data()) + offset;
    const auto most = static_cast<std::size_t>(table.size() - offset);
    return {begin, ::strnlen(begin, most)};
}

Error truncated(Bytes bytes, std::string_view part, std::uint64_t end) {
    return Error{fmt::format("the file is truncated: its {} ends at byte {}, the file at {}", part, end,
                             bytes.size())};
}

}  // namespace

std::string machine_name(std::uint16_t machine) {
    switch (machine) {
        case EM_BPF:
            return "BPF";
        case EM_X86_64:
            return "x86-64";
        case EM_386:
            return "x86 (32 bit)";
        case EM_AARCH64:
            return "AArch64";
        case EM_ARM:
            return "ARM (32 bit)";
        case EM_RISCV:
            return "RISC-V";
        case EM_S390:
            return "S/390";
        case EM_PPC64:
            return "PowerPC (64 bit)";
        default:
            return fmt::format("machine {}", machine);
    }
}

Result<ElfFile> ElfFile::parse(Bytes bytes) {
    if (bytes.empty()) return Error{"the file is empty"};
    constexpr std::string_view magic = ELFMAG;
    if (bytes.size() < magic.size() || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
        return Error{"it is no ELF file (compiled programs begin with 0x7f ELF)"};
    if (bytes.size() < sizeof(Elf64_Ehdr)) return truncated(bytes, "ELF header", sizeof(Elf64_Ehdr));
    const auto header = load<Elf64_Ehdr>(bytes);
    if (header.e_ident[EI_CLASS] != ELFCLASS64)
        return Error{"it is a 32-bit ELF file; BPF objects have 64 bit"};
    if (header.e_ident[EI_DATA] != ELFDATA2LSB)
        return Error{"it is a big-endian ELF file; this machine is little-endian"};
    ElfFile out;
    out.machine_ = header.e_machine;
    out.type_ = header.e_type;

    if (header.e_phnum != 0 && header.e_phentsize == sizeof(Elf64_Phdr)) {
        const std::uint64_t size = std::uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
        if (!inside(header.e_phoff, size, bytes.size()))
            return truncated(bytes, "table of segments", header.e_phoff + size);
        for (std::size_t i = 0; i < header.e_phnum; ++i) {
            const auto segment = load<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr));
            if (segment.p_type == PT_LOAD)
                out.segments_.push_back({segment.p_offset, segment.p_vaddr, segment.p_filesz});
        }
    }
    if (header.e_shoff == 0 || header.e_shnum == 0) return out;
    if (header.e_shentsize != sizeof(Elf64_Shdr))
        return Error{"its table of sections has entries of a wrong size"};
    const std::uint64_t size = std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
    if (!inside(header.e_shoff, size, bytes.size()))
        return truncated(bytes, "table of sections", header.e_shoff + size);
    std::vector<Elf64_Shdr> headers(header.e_shnum);
    std::memcpy(headers.data(), bytes.data() + header.e_shoff, size);
    for (std::size_t i = 0; i < headers.size(); ++i) {
        const Elf64_Shdr& each = headers[i];
        const bool in_file = each.sh_type != SHT_NOBITS && each.sh_type != SHT_NULL;
        if (in_file && !inside(each.sh_offset, each.sh_size, bytes.size()))
            return truncated(bytes, fmt::format("section {}", i), each.sh_offset + each.sh_size);
        ElfSection section;
        section.type = each.sh_type;
        section.flags = each.sh_flags;
        section.size = each.sh_size;
        section.link = each.sh_link;
        section.info = each.sh_info;
        section.header_at = header.e_shoff + i * sizeof(Elf64_Shdr);
        if (in_file) section.content = bytes.subspan(each.sh_offset, each.sh_size);
        out.sections_.push_back(section);
    }
    if (header.e_shstrndx >= headers.size()) return Error{"it has no names for its sections"};
    const Bytes names = out.sections_[header.e_shstrndx].content;
    for (std::size_t i = 0; i < headers.size(); ++i)
        out.sections_[i].name = text_at(names, headers[i].sh_name);
    return out;
}

const ElfSection* ElfFile::section(std::string_view name) const {
    const auto found = std::ranges::find(sections_, name, &ElfSection::name);
    return found == sections_.end() ? nullptr : &*found;
}

std::vector<ElfSymbol> ElfFile::symbols() const {
    std::vector<ElfSymbol> out;
    for (const ElfSection& table : sections_) {
        if ((table.type != SHT_SYMTAB && table.type != SHT_DYNSYM) || table.link >= sections_.size())
            continue;
        const Bytes names = sections_[table.link].content;
        for (std::size_t at = 0; at + sizeof(Elf64_Sym) <= table.content.size(); at += sizeof(Elf64_Sym)) {
            const auto symbol = load<Elf64_Sym>(table.content, at);
            out.push_back({text_at(names, symbol.st_name),
                           static_cast<unsigned char>(ELF64_ST_TYPE(symbol.st_info)),
                           static_cast<unsigned char>(ELF64_ST_BIND(symbol.st_info)), symbol.st_shndx,
                           symbol.st_value, symbol.st_size});
        }
    }
    return out;
}

std::optional<std::uint64_t> ElfFile::file_offset(std::uint64_t address) const {
    for (const Segment& segment : segments_)
        if (address >= segment.address && address - segment.address < segment.size)
            return address - segment.address + segment.offset;
    return std::nullopt;
}

std::string ElfFile::build_id() const {
    for (const ElfSection& section : sections_) {
        if (section.type != SHT_NOTE) continue;
        Bytes notes = section.content;
        while (notes.size() >= sizeof(Elf64_Nhdr)) {
            const auto note = load<Elf64_Nhdr>(notes);
            const std::uint64_t name_size = (std::uint64_t{note.n_namesz} + 3) & ~std::uint64_t{3};
            const std::uint64_t value_size = (std::uint64_t{note.n_descsz} + 3) & ~std::uint64_t{3};
            notes = notes.subspan(sizeof(Elf64_Nhdr));
            if (name_size + value_size > notes.size()) break;
            if (note.n_type == NT_GNU_BUILD_ID && text_at(notes, 0) == "GNU") {
                std::string out;
                for (const std::byte each : notes.subspan(name_size, note.n_descsz))
                    out += fmt::format("{:02x}", std::to_integer<unsigned>(each));
                return out;
            }
            notes = notes.subspan(name_size + value_size);
        }
    }
    return {};
}

}  // namespace waggle::kernel
