// SPDX-License-Identifier: Apache-2.0
#include "engine/attach/user_binary.h"

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>

#include "base/descriptor.h"
#include "base/nearest.h"
#include "base/text.h"
#include "binary/elf_file.h"

namespace waggle::kernel {
namespace {

constexpr std::size_t largest_binary = std::size_t{2} << 30;

std::string root_of(std::uint32_t pid) { return pid ? fmt::format("/proc/{}/root", pid) : std::string("/"); }

// Opens `path` as a process with that root would: links in it lead into its own mounts, not into ours.
OwnedFd open_below(const std::string& root, const std::string& path) {
    const OwnedFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return {};
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC;
    how.resolve = root == "/" ? 0 : RESOLVE_IN_ROOT;
    return OwnedFd(static_cast<int>(::syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how)));
}

bool same_file(const std::string& path, int fd) {
    struct stat by_path{}, by_fd{};
    return ::stat(path.c_str(), &by_path) == 0 && ::fstat(fd, &by_fd) == 0 &&
           by_path.st_ino == by_fd.st_ino && by_path.st_dev == by_fd.st_dev;
}

// The files a process has mapped as code, as it sees them.
std::vector<std::string> mapped_files(std::uint32_t pid) {
    std::vector<std::string> out;
    const Result<std::string> maps = read_file(fmt::format("/proc/{}/maps", pid));
    if (!maps) return out;
    for (const std::string_view line : split(*maps, '\n')) {
        const std::size_t path = line.find('/');
        const std::size_t rights = line.find(' ');
        if (path == std::string_view::npos || rights + 3 >= line.size() || line[rights + 3] != 'x') continue;
        if (std::ranges::find(out, line.substr(path)) == out.end()) out.emplace_back(line.substr(path));
    }
    return out;
}

// "libc" and "libc.so" mean libc.so.6, "libc.so.6" itself.
bool is_library(std::string_view path, std::string_view name) {
    const std::string_view file = path.substr(path.rfind('/') + 1);
    return file == name || (file.starts_with(name) && file.substr(name.size()).starts_with(".so"));
}

// Where the loader looks, as far as files say it.
std::vector<std::string> library_directories() {
    std::vector<std::string> out = {
        "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
        "/usr/local/lib"};
    DIR* directory = ::opendir("/etc/ld.so.conf.d");
    if (!directory) return out;
    while (const dirent* entry = ::readdir(directory)) {
        const Result<std::string> text = read_file(fmt::format("/etc/ld.so.conf.d/{}", entry->d_name), 65536);
        if (!text) continue;
        for (const std::string_view line : split(*text, '\n'))
            if (line.starts_with('/')) out.emplace_back(trim(line));
    }
    ::closedir(directory);
    return out;
}

// Beside libraries lie linker scripts of the same name, which are text.
bool is_elf(const std::string& path) {
    const OwnedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char magic[SELFMAG] = {};
    return file && ::pread(file.get(), magic, sizeof magic, 0) == SELFMAG &&
           std::memcmp(magic, ELFMAG, SELFMAG) == 0;
}

std::string find_in_directory(const std::string& directory, std::string_view name) {
    std::string best;
    DIR* opened = ::opendir(directory.c_str());
    if (!opened) return best;
    while (const dirent* entry = ::readdir(opened)) {
        // The shortest is the name programs are linked with: libc.so.6 before libc.so.6.debug.
        const std::string path = fmt::format("{}/{}", directory, entry->d_name);
        if (is_library(path, name) && (best.empty() || path.size() < best.size()) && is_elf(path))
            best = path;
    }
    ::closedir(opened);
    return best;
}

Result<std::string> find_by_name(std::uint32_t pid, const std::string& name) {
    if (pid) {
        for (const std::string& each : mapped_files(pid))
            if (is_library(each, name)) return each;
        return Error{fmt::format("process {} has loaded no file named {}", pid, escape_control(name))};
    }
    for (const std::string& directory : library_directories())
        if (std::string found = find_in_directory(directory, name); !found.empty()) return found;
    if (const char* path = std::getenv("PATH"))
        for (const std::string_view directory : split(path, ':'))
            if (std::string file = fmt::format("{}/{}", directory, name); ::access(file.c_str(), X_OK) == 0)
                return file;
    return Error{fmt::format("there is no library or program named {}", escape_control(name))};
}

}  // namespace

std::vector<std::uint32_t> all_processes() {
    std::vector<std::uint32_t> out;
    DIR* directory = ::opendir("/proc");
    if (!directory) return out;
    while (const dirent* entry = ::readdir(directory))
        if (const auto pid = static_cast<std::uint32_t>(std::strtoul(entry->d_name, nullptr, 10)); pid != 0)
            out.push_back(pid);
    ::closedir(directory);
    return out;
}

Result<UserBinary> UserBinary::find(const AttachSpec& spec) {
    if (spec.pid && ::access(fmt::format("/proc/{}", spec.pid).c_str(), F_OK) != 0)
        return Error{fmt::format("there is no process {}", spec.pid)};
    const auto open_one = [&](std::uint32_t pid, const std::string& path) -> Result<UserBinary> {
        const std::string root = root_of(pid);
        OwnedFd file = open_below(root, path);
        if (!file)
            return Error{fmt::format("{}: {}{}", escape_control(path), std::strerror(errno),
                                     pid ? fmt::format(" (as process {} sees it)", pid) : ""),
                         errno == EACCES || errno == EPERM ? ErrorKind::privilege : ErrorKind::failed};
        const std::string real = path_of_descriptor(file.get());
        std::string usable = pid ? root + real : real;
        // A process with a root of its own sees the file under another path than we do.
        if (!same_file(usable, file.get())) usable = fmt::format("/proc/self/fd/{}", file.get());
        return UserBinary(std::move(file), std::move(usable), real);
    };
    const auto has_id = [&](const UserBinary& binary) {
        const Result<std::string> text = read_file(binary.path(), largest_binary);
        if (!text) return false;
        const auto elf = ElfFile::parse(bytes_of(std::string_view(*text)));
        return elf && elf->build_id().starts_with(spec.build_id);
    };
    if (!spec.path.empty()) {
        std::string path = spec.path;
        if (path.find('/') == std::string::npos) {
            auto found = find_by_name(spec.pid, path);
            if (!found) return found.error();
            path = std::move(*found);
        }
        auto opened = open_one(spec.pid, path);
        if (opened && !spec.build_id.empty() && !has_id(*opened))
            return Error{
                fmt::format("{} was not built with build id {}", escape_control(path), spec.build_id)};
        return opened;
    }
    std::set<std::pair<dev_t, ino_t>> seen;
    for (const std::uint32_t pid : spec.pid ? std::vector<std::uint32_t>{spec.pid} : all_processes())
        for (const std::string& path : mapped_files(pid)) {
            auto opened = open_one(pid, path);
            struct stat file{};
            if (!opened || ::stat(opened->path().c_str(), &file) != 0 ||
                !seen.insert({file.st_dev, file.st_ino}).second)
                continue;
            if (has_id(*opened)) return opened;
        }
    return Error{fmt::format("no running process has loaded a file with build id {}", spec.build_id)};
}

Result<std::uint64_t> UserBinary::function(std::string_view name) const {
    const Result<std::string> text = read_file(path_, largest_binary);
    if (!text) return text.error();
    const auto elf = ElfFile::parse(bytes_of(std::string_view(*text)));
    if (!elf) return Error{fmt::format("{}: {}", escape_control(shown_), elf.error().message)};
    std::vector<std::string_view> known;
    for (const ElfSymbol& symbol : elf->symbols()) {
        if ((symbol.type != STT_FUNC && symbol.type != STT_GNU_IFUNC) || symbol.section == SHN_UNDEF)
            continue;
        if (symbol.name != name) {
            known.push_back(symbol.name);
            continue;
        }
        if (symbol.type == STT_GNU_IFUNC)
            return Error{fmt::format(
                "{} in {} is chosen when the program starts (an ifunc): name one of its variants{}",
                escape_control(name), escape_control(shown_), did_you_mean(name, known))};
        if (const auto offset = elf->file_offset(symbol.value)) return *offset;
    }
    if (known.empty())
        return Error{
            fmt::format("{} names no functions (it is stripped); give the place as a number, as 0x11c0",
                        escape_control(shown_))};
    return Error{fmt::format("{} has no function {}{}", escape_control(shown_), escape_control(name),
                             did_you_mean(name, known))};
}

Result<std::vector<std::string>> UserBinary::functions() const {
    const Result<std::string> text = read_file(path_, largest_binary);
    if (!text) return text.error();
    const auto elf = ElfFile::parse(bytes_of(std::string_view(*text)));
    if (!elf) return Error{fmt::format("{}: {}", escape_control(shown_), elf.error().message)};
    std::set<std::string> out;
    for (const ElfSymbol& symbol : elf->symbols())
        if (symbol.type == STT_FUNC && symbol.section != SHN_UNDEF) out.emplace(symbol.name);
    return std::vector<std::string>(out.begin(), out.end());
}

Result<std::vector<UserBinary::Marker>> UserBinary::markers() const {
    const Result<std::string> text = read_file(path_, largest_binary);
    if (!text) return text.error();
    const auto elf = ElfFile::parse(bytes_of(std::string_view(*text)));
    if (!elf) return Error{fmt::format("{}: {}", escape_control(shown_), elf.error().message)};
    std::vector<Marker> out;
    const ElfSection* section = elf->section(".note.stapsdt");
    Bytes notes = section ? section->content : Bytes{};
    while (notes.size() >= sizeof(Elf64_Nhdr)) {
        const auto note = load<Elf64_Nhdr>(notes);
        notes = notes.subspan(sizeof(Elf64_Nhdr));
        const std::uint64_t name_size = (std::uint64_t{note.n_namesz} + 3) & ~std::uint64_t{3};
        const std::uint64_t value_size = (std::uint64_t{note.n_descsz} + 3) & ~std::uint64_t{3};
        if (name_size + value_size > notes.size()) break;
        // Three addresses, then the provider's and the marker's name.
        constexpr std::size_t addresses = 24;
        const Bytes value = notes.subspan(name_size, note.n_descsz);
        if (value.size() > addresses) {
            const std::string_view words(reinterpret_cast<const char*>(value.data()) + addresses,
                                         value.size() - addresses);
            const auto parts = split(words, '\0');
            if (parts.size() >= 2) out.push_back({std::string(parts[0]), std::string(parts[1])});
        }
        notes = notes.subspan(name_size + value_size);
    }
    return out;
}

}  // namespace waggle::kernel
