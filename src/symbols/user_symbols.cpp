// SPDX-License-Identifier: Apache-2.0
#include "symbols/user_symbols.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "binary/elf_file.h"
#include "symbols/mappings.h"
#include "symbols/readable.h"
#include "waggle/bytes.h"
#include "waggle/owned_fd.h"

namespace waggle::kernel {
namespace {

constexpr std::size_t build_id_digits = 40;  // the kernel fills up a shorter one with zeros
constexpr std::size_t largest_file = std::size_t{512} << 20;

// As the kernel finds it: in a note on the file's first page. Empty where there is none.
std::string build_id_of(const std::string& path) {
    std::array<std::byte, 4096> page{};
    const OwnedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got = fd ? ::pread(fd.get(), page.data(), page.size(), 0) : -1;
    if (got < static_cast<ssize_t>(sizeof(Elf64_Ehdr))) return {};
    const Bytes bytes(page.data(), static_cast<std::size_t>(got));
    const auto head = load<Elf64_Ehdr>(bytes);
    if (std::string_view(reinterpret_cast<const char*>(head.e_ident), SELFMAG) != ELFMAG) return {};
    for (std::size_t i = 0; i < head.e_phnum; ++i) {
        const std::size_t at = head.e_phoff + i * sizeof(Elf64_Phdr);
        if (head.e_phoff > bytes.size() || at + sizeof(Elf64_Phdr) > bytes.size()) break;
        const auto segment = load<Elf64_Phdr>(bytes, at);
        if (segment.p_type != PT_NOTE || segment.p_offset > bytes.size()) continue;
        Bytes notes = bytes.subspan(segment.p_offset);
        notes = notes.first(std::min<std::size_t>(notes.size(), segment.p_filesz));
        while (notes.size() >= sizeof(Elf64_Nhdr)) {
            const auto note = load<Elf64_Nhdr>(notes);
            notes = notes.subspan(sizeof note);
            const std::size_t name = (std::size_t{note.n_namesz} + 3) & ~std::size_t{3};
            const std::size_t value = (std::size_t{note.n_descsz} + 3) & ~std::size_t{3};
            if (name > notes.size() || note.n_descsz > notes.size() - name) break;
            if (note.n_type == NT_GNU_BUILD_ID && name == 4) {
                std::string out;
                for (const std::byte each : notes.subspan(name, note.n_descsz))
                    out += fmt::format("{:02x}", static_cast<unsigned>(each));
                out.resize(build_id_digits, '0');
                return out;
            }
            notes = notes.subspan(std::min(name + value, notes.size()));
        }
    }
    return {};
}

// A path that opens the mapped file: the mapping itself, which is the file in use also where its path is another's by now,
// and for those who must not open that, its name while that is still the same file. Empty where there is none.
std::string path_of(const std::string& process, const Mapping& mapping) {
    std::string itself = fmt::format("{}/map_files/{}", process, mapping.range);
    if (::access(itself.c_str(), R_OK) == 0) return itself;
    std::string name(mapping.path);
    struct stat is{};
    const bool is_same =
        ::stat(name.c_str(), &is) == 0 && mapping.file.ends_with(fmt::format(" {}", is.st_ino));
    return is_same ? name : std::string();
}

}  // namespace

void UserSymbols::File::read() {
    const std::string from = std::exchange(path, {});
    const auto content = read_file(from, largest_file);
    if (!content) return;
    const auto elf = ElfFile::parse(bytes_of(std::string_view(*content)));
    if (!elf) return;
    for (const ElfSymbol& symbol : elf->symbols()) {
        if (symbol.type != STT_FUNC || symbol.section == SHN_UNDEF) continue;
        if (const auto offset = elf->file_offset(symbol.value))
            functions.push_back({*offset, symbol.size, readable(symbol.name)});
    }
    std::ranges::stable_sort(functions, {}, &Function::from);
}

// What all processes have mapped as code and was not seen before.
void UserSymbols::look() {
    looked_ = true;
    DIR* directory = ::opendir(proc_.c_str());
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory)) {
        if (!is_digit(entry->d_name[0])) continue;
        const std::string process = fmt::format("{}/{}", proc_, entry->d_name);
        const auto maps = read_file(process + "/maps");
        if (!maps) continue;
        for (const std::string_view line : split(*maps, '\n')) {
            const Mapping mapping = mapping_of(line);
            if (!mapping.is_code || !mapping.path.starts_with('/') || ids_by_file_.contains(mapping.file))
                continue;
            const std::string path = path_of(process, mapping);
            const std::string id = build_id_of(path);
            ids_by_file_.emplace(mapping.file, id);
            if (id.empty() || files_.contains(id)) continue;
            File file;
            file.name = file_name_of(mapping.path);
            file.path = path;
            // The process may end before the file is read.
            const std::string by_name(mapping.path);
            if (build_id_of(by_name) == id) file.path = by_name;
            files_.emplace(id, std::move(file));
        }
    }
    ::closedir(directory);
}

UserSymbols::File* UserSymbols::file(std::string_view build_id) {
    auto found = files_.find(build_id);
    if (found == files_.end() && !looked_) {
        look();
        found = files_.find(build_id);
    }
    if (found == files_.end()) return nullptr;
    if (!found->second.path.empty()) found->second.read();
    return &found->second;
}

std::string UserSymbols::at(std::string_view build_id, std::uint64_t offset, bool returned_to) {
    const File* in = file(build_id);
    if (!in) return {};
    const std::uint64_t asked = returned_to && offset ? offset - 1 : offset;
    auto behind = std::ranges::upper_bound(in->functions, asked, {}, &Function::from);
    if (behind != in->functions.begin()) {
        const Function& function = *std::prev(behind);
        // Assembly says no size; it goes on until the next function.
        if (function.size == 0 || asked - function.from < function.size)
            return fmt::format("{}+{:#x} [{}]", function.name, offset - function.from, in->name);
    }
    return fmt::format("{}+{:#x}", in->name, offset);
}

std::string UserSymbols::at(std::uint32_t pid, std::uint64_t address, bool returned_to) {
    const auto maps = read_file(fmt::format("{}/{}/maps", proc_, pid));
    if (!maps) return {};
    for (const std::string_view line : split(*maps, '\n')) {
        const Mapping mapping = mapping_of(line);
        if (address < mapping.from || address >= mapping.to) continue;
        if (!mapping.path.starts_with('/')) return std::string(mapping.path);
        const std::uint64_t offset = address - mapping.from + mapping.file_offset;
        const std::string id = build_id_of(path_of(fmt::format("{}/{}", proc_, pid), mapping));
        const std::string named = id.empty() ? "" : at(id, offset, returned_to);
        return named.empty() ? fmt::format("{}+{:#x}", file_name_of(mapping.path), offset) : named;
    }
    return {};
}

}  // namespace waggle::kernel
