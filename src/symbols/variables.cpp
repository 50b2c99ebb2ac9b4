// SPDX-License-Identifier: Apache-2.0
#include "symbols/variables.h"

#include <elf.h>
#include <fmt/core.h>

#include <map>
#include <optional>

#include "base/text.h"
#include "binary/elf_file.h"
#include "symbols/mappings.h"
#include "symbols/readable.h"

namespace waggle::kernel {
namespace {

// The variable's name in the file that is mapped from `base` on.
std::optional<std::string> symbol_at(const std::string& file, std::uint64_t base, std::uint64_t address) {
    const auto content = read_file(file);
    if (!content) return std::nullopt;
    const auto elf = ElfFile::parse({reinterpret_cast<const std::byte*>(content->data()), content->size()});
    if (!elf) return std::nullopt;
    const std::uint64_t wanted = elf->type() == ET_EXEC ? address : address - base;
    for (const ElfSymbol& symbol : elf->symbols())
        if (symbol.type == STT_OBJECT && symbol.section != SHN_UNDEF && wanted >= symbol.value &&
            wanted - symbol.value < symbol.size)
            return readable(symbol.name);
    return std::nullopt;
}

}  // namespace

std::string variable_at(std::uint32_t pid, std::uint64_t address, const std::string& proc) {
    const auto maps = read_file(fmt::format("{}/{}/maps", proc, pid));
    if (!maps) return {};
    std::map<std::string_view, Mapping> first;  // of each file, by its path: the mapping of its beginning
    std::string_view before;                    // the file of the mapping before
    for (const std::string_view line : split(*maps, '\n')) {
        const Mapping mapping = mapping_of(line);
        if (mapping.path.starts_with('/') && mapping.file_offset == 0)
            first.try_emplace(mapping.path, mapping);
        if (address < mapping.from || address >= mapping.to) {
            before = mapping.path;
            continue;
        }
        if (mapping.path == "[heap]") return "heap";
        if (mapping.path.starts_with("[stack")) return "stack";
        if (mapping.is_shared)
            for (const std::string_view memory : {"/dev/zero", "/dev/shm/", "/SYSV", "/memfd:"})
                if (mapping.path.starts_with(memory)) return "shared_memory";
        // What a program leaves zero at its start lies behind what is mapped of its file.
        const std::string_view path = mapping.path.empty() ? before : mapping.path;
        const auto begin = first.find(path);
        if (begin == first.end()) return {};
        const auto symbol = symbol_at(fmt::format("{}/{}/map_files/{}", proc, pid, begin->second.range),
                                      begin->second.from, address);
        if (symbol) return fmt::format("{} in {}", *symbol, file_name_of(path));
        return mapping.path.empty() ? std::string() : std::string(file_name_of(path));
    }
    return {};
}

}  // namespace waggle::kernel
