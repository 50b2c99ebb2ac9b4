// SPDX-License-Identifier: Apache-2.0
#include "symbols/variables.h"

#include <cxxabi.h>
#include <elf.h>
#include <fmt/core.h>

#include <charconv>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>

#include "base/text.h"
#include "binary/elf_file.h"

namespace waggle::kernel {
namespace {

struct Mapping {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::uint64_t file_offset = 0;
    bool is_shared = false;
    std::string_view range;  // "55d0c0a00000-55d0c0a21000"
    std::string_view path;   // empty where no file is mapped
};

std::uint64_t hexadecimal(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
}

// "55d0c0a00000-55d0c0a21000 r--p 00000000 fe:00 1234    /usr/bin/x"
Mapping mapping_of(std::string_view line) {
    Mapping mapping;
    mapping.range = line.substr(0, line.find(' '));
    const std::size_t dash = mapping.range.find('-');
    if (dash == std::string_view::npos) return {};
    mapping.from = hexadecimal(mapping.range.substr(0, dash));
    mapping.to = hexadecimal(mapping.range.substr(dash + 1));
    std::size_t at = 0;
    for (int column = 0; column < 5; ++column) {
        if (column == 1) mapping.is_shared = line.substr(at, 4).ends_with('s');
        if (column == 2) mapping.file_offset = hexadecimal(line.substr(at));
        at = line.find(' ', at);
        if (at == std::string_view::npos) return mapping;
        at = line.find_first_not_of(' ', at);
        if (at == std::string_view::npos) return mapping;
    }
    mapping.path = line.substr(at);
    return mapping;
}

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// As it is written in C++; names that are too long for a row anyway stay as they are.
std::string readable(std::string_view name) {
    constexpr std::size_t most = 256;
    if (!name.starts_with("_Z") || name.size() > most) return std::string(name);
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> said(
        abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status), &std::free);
    return said ? said.get() : std::string(name);
}

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
        if (symbol) return fmt::format("{} in {}", *symbol, name_of(path));
        return mapping.path.empty() ? std::string() : std::string(name_of(path));
    }
    return {};
}

}  // namespace waggle::kernel
