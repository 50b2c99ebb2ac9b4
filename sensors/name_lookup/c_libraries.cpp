// SPDX-License-Identifier: Apache-2.0
#include "sensors/name_lookup/c_libraries.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "engine/attach/user_binary.h"
#include "sensors/name_lookup/name_lookup.event.h"

namespace waggle::sensors {
namespace {

constexpr std::pair<std::string_view, name_lookup_function> functions[] = {
    {"getaddrinfo", name_lookup_getaddrinfo},           {"gethostbyname", name_lookup_gethostbyname},
    {"gethostbyname2", name_lookup_gethostbyname2},     {"gethostbyname_r", name_lookup_gethostbyname_r},
    {"gethostbyname2_r", name_lookup_gethostbyname2_r},
};

// An overlay puts the number of its layer above these (xino).
constexpr std::uint64_t inode_bits = (std::uint64_t{1} << 48) - 1;

// "libc.so.6", "libc-2.31.so" of glibc before 2.34, "ld-musl-x86_64.so.1" and "libc.musl-x86_64.so.1".
bool is_c_library(std::string_view path) {
    const std::string_view name = path.substr(path.rfind('/') + 1);
    return name == "libc.so.6" || (name.starts_with("libc-2.") && name.ends_with(".so")) ||
           name.starts_with("ld-musl-") || name.starts_with("libc.musl-");
}

// "7f10c8a28000-7f10c8bb0000 r-xp 00028000 fe:00 1234    /usr/lib/x86_64-linux-gnu/libc.so.6"
bool read_line(std::string_view line, ModuleMapping& mapping) {
    const std::size_t path = line.find('/'), rights = line.find(' ');
    if (path == std::string_view::npos || rights + 4 >= path || line[rights + 3] != 'x') return false;
    const std::size_t file = line.find(' ', line.find(' ', rights + 1) + 1);
    mapping.range = line.substr(0, rights);
    mapping.file = trim(line.substr(file, path - file));
    mapping.path = line.substr(path);
    if (constexpr std::string_view deleted = " (deleted)"; mapping.path.ends_with(deleted))
        mapping.path.remove_suffix(deleted.size());
    return true;
}

}  // namespace

std::vector<ModuleMapping> c_libraries_of(std::string_view maps) {
    std::vector<ModuleMapping> out;
    for (const std::string_view line : split(maps, '\n'))
        if (ModuleMapping mapping; read_line(line, mapping) && is_c_library(mapping.path))
            out.push_back(mapping);
    return out;
}

void CLibraries::look_everywhere() {
    for (auto& [identity, library] : libraries_) library.seen = false;
    too_many_ = false;
    std::set<std::string, std::less<>> files;
    for (const std::uint32_t pid : kernel::all_processes()) look_at(pid, files);
    for (auto each = libraries_.begin(); each != libraries_.end();) {
        if (!each->second.seen)
            for (const std::string& attachment : each->second.attachments) (void)object_->detach(attachment);
        each = each->second.seen ? std::next(each) : libraries_.erase(each);
    }
}

CLibraries::Look CLibraries::look_at(std::uint32_t pid) {
    std::set<std::string, std::less<>> files;
    return look_at(pid, files);
}

// `files`: those looked at already.
CLibraries::Look CLibraries::look_at(std::uint32_t pid, std::set<std::string, std::less<>>& files) {
    const auto maps = read_file(fmt::format("/proc/{}/maps", pid));
    if (!maps) return Look::gone;
    const std::vector<ModuleMapping> found = c_libraries_of(*maps);
    for (const ModuleMapping& each : found)
        if (files.emplace(each.file).second)
            take(fmt::format("/proc/{}/map_files/{}", pid, each.range), each.path);
    return found.empty() ? Look::none : Look::found;
}

void CLibraries::take(const std::string& file, std::string_view path) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) return;  // the process has ended
    const Identity identity{status.st_ino & inode_bits, status.st_size, status.st_ctim.tv_sec,
                            status.st_ctim.tv_nsec};
    const auto known = libraries_.find(identity);
    if (known != libraries_.end()) {
        known->second.seen = true;
        return;
    }
    if (libraries_.size() >= most) {
        too_many_ = true;
        return;
    }
    libraries_.emplace(identity, watch(file, path));
}

CLibraries::Library CLibraries::watch(const std::string& file, std::string_view path) {
    Library library;
    library.path = path;
    if (auto attached = attach(library, file); !attached) {
        library.problem = attached.error().message;
        for (const std::string& each : library.attachments) (void)object_->detach(each);
        library.attachments.clear();
    }
    return library;
}

// The returns first: a call whose return is not seen would look like one that was never returned from.
Result<void> CLibraries::attach(Library& library, const std::string& file) {
    AttachSpec spec;
    spec.path = file;
    const auto binary = kernel::UserBinary::find(spec);
    if (!binary) return binary.error();
    spec.path = binary->path();
    for (const auto& [program, kind] :
         {std::pair{"on_return", AttachKind::uretprobe}, std::pair{"on_call", AttachKind::uprobe}}) {
        for (const auto& [name, number] : functions) {
            const auto begin = binary->function(name);
            if (!begin && number == name_lookup_getaddrinfo) return begin.error();
            if (!begin) continue;
            spec.kind = kind;
            spec.offset = *begin;
            spec.cookie = number;
            auto attached = object_->attach(program, spec);
            if (!attached) return attached.error();
            library.attachments.push_back(std::move(*attached));
        }
    }
    return {};
}

std::vector<std::string> CLibraries::watched() const {
    std::vector<std::string> out;
    for (const auto& [identity, library] : libraries_)
        if (library.problem.empty()) out.push_back(library.path);
    std::ranges::sort(out);
    return out;
}

std::size_t CLibraries::watched_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(libraries_, [](const auto& each) { return each.second.problem.empty(); }));
}

std::vector<std::string> CLibraries::problems() const {
    std::vector<std::string> out;
    for (const auto& [identity, library] : libraries_)
        if (!library.problem.empty())
            out.push_back(fmt::format("calls for names of programs with {} are not seen: {}",
                                      escape_control(library.path), library.problem));
    if (too_many_)
        out.push_back(
            fmt::format("programs use more than {} different files of the C library; calls for names of the "
                        "others are not seen",
                        most));
    return out;
}

}  // namespace waggle::sensors
