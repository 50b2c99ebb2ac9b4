// SPDX-License-Identifier: Apache-2.0
#include "binary/object_check.h"

#include <elf.h>
#include <fmt/core.h>

#include "base/text.h"
#include "binary/elf_file.h"

namespace waggle::kernel {

Result<ObjectCheck> check_object(Bytes elf) {
    const Result<ElfFile> file = ElfFile::parse(elf);
    if (!file) return file.error();
    if (file->machine() != EM_BPF)
        return Error{fmt::format("it is built for {}, not for BPF (clang -target bpf)",
                                 machine_name(file->machine()))};
    if (file->type() != ET_REL) return Error{"it is a linked program, not an object file (clang -c)"};
    ObjectCheck out;
    bool code = false;
    for (const ElfSection& section : file->sections()) {
        if (section.name == "license")
            out.has_licence = !section.content.empty() && section.content.front() != std::byte{0};
        if (section.name == "maps" || section.name.starts_with("maps/")) out.legacy_maps = true;
        code = code ||
               (section.type == SHT_PROGBITS && (section.flags & SHF_EXECINSTR) != 0 && section.size > 0);
        if (section.name == ".BTF")
            if (auto checked = check_btf(section.content); !checked) return checked.error();
        if (section.flags & SHF_COMPRESSED)
            return Error{fmt::format("its section {} is compressed", escape_control(section.name))};
    }
    if (!code) return Error{"it holds no program"};
    return out;
}

Result<void> check_btf_file(const std::string& path) {
    const Result<std::string> text = read_file(path);
    if (!text) return text.error();
    Bytes types = bytes_of(std::string_view(*text));
    if (text->starts_with(ELFMAG)) {
        const Result<ElfFile> file = ElfFile::parse(types);
        if (!file) return while_doing(path, file.error());
        const ElfSection* section = file->section(".BTF");
        if (!section) return Error{fmt::format("{}: it has no types (section .BTF)", path)};
        types = section->content;
    }
    if (auto checked = check_btf(types); !checked) return while_doing(path, checked.error());
    return {};
}

}  // namespace waggle::kernel
