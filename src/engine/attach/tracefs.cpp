// SPDX-License-Identifier: Apache-2.0
#include "engine/attach/tracefs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/nearest.h"
#include "base/text.h"

namespace waggle::kernel {
namespace {

void sort_unique(std::vector<std::string>& names) {
    std::ranges::sort(names);
    names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

Result<Tracefs> Tracefs::open(const std::string& at) {
    if (!at.empty()) {
        OwnedFd root(::open(at.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (root && ::faccessat(root.get(), "events", F_OK, 0) == 0) return Tracefs(std::move(root));
        return Error{fmt::format("{} is no tracefs (mount -t tracefs tracefs {})", at, at)};
    }
    for (const char* path : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
        OwnedFd root(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (root && ::faccessat(root.get(), "events", F_OK, 0) == 0) return Tracefs(std::move(root));
    }
    const OwnedFd context(::fsopen("tracefs", FSOPEN_CLOEXEC));
    OwnedFd root;
    if (context && ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0)
        root = OwnedFd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
    if (!root) {
        const int error = errno;
        if (error == ENODEV) return Error{"this kernel has no tracepoints (build option CONFIG_TRACING)"};
        return Error{
            fmt::format(
                "tracefs, the kernel's list of tracepoints, is not mounted and cannot be mounted here: {} "
                "(mount -t tracefs tracefs /sys/kernel/tracing)",
                std::strerror(error)),
            error == EPERM ? ErrorKind::privilege : ErrorKind::failed};
    }
    return Tracefs(std::move(root));
}

Result<std::string> Tracefs::read(const std::string& path, std::size_t limit) const {
    const OwnedFd file(::openat(root_.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file)
        return Error{fmt::format("{}: {}", path, std::strerror(errno)),
                     errno == EACCES || errno == EPERM ? ErrorKind::privilege : ErrorKind::failed};
    return read_file(fmt::format("/proc/self/fd/{}", file.get()), limit);
}

std::vector<std::string> Tracefs::list(const std::string& path) const {
    std::vector<std::string> out;
    const int fd = ::openat(root_.get(), path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* directory = fd < 0 ? nullptr : ::fdopendir(fd);
    if (!directory) {
        if (fd >= 0) ::close(fd);
        return out;
    }
    while (const dirent* entry = ::readdir(directory))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') out.emplace_back(entry->d_name);
    ::closedir(directory);
    return out;
}

Result<std::uint64_t> Tracefs::tracepoint(const std::string& category, const std::string& name) const {
    const Result<std::string> text = read_of(category, name, "id");
    if (!text) return text.error();
    std::uint64_t id = 0;
    std::from_chars(text->data(), text->data() + text->size(), id);
    return id;
}

Result<std::string> Tracefs::format(const std::string& category, const std::string& name) const {
    return read_of(category, name, "format");
}

std::vector<Tracefs::Tracepoint> Tracefs::tracepoints(std::string_view category,
                                                      std::string_view name) const {
    std::vector<Tracepoint> out;
    for (const std::string& each : list("events")) {
        if (!glob_match(category, each)) continue;
        for (std::string& inside : list("events/" + each))
            if (glob_match(name, inside)) out.push_back({each, std::move(inside)});
    }
    std::ranges::sort(out);
    return out;
}

Result<std::string> Tracefs::read_of(const std::string& category, const std::string& name,
                                     const char* file) const {
    Result<std::string> text = read(fmt::format("events/{}/{}/{}", category, name, file), 64u << 10);
    if (text || text.error().kind == ErrorKind::privilege) return text;
    const std::vector<std::string> names = list("events/" + category);
    if (!names.empty())
        return Error{fmt::format("{} has no tracepoint {}{}", escape_control(category), escape_control(name),
                                 did_you_mean(name, names))};
    const std::vector<std::string> categories = list("events");
    std::vector<std::string> near;
    for (const std::string& each : categories)
        for (const std::string& inside : list("events/" + each))
            if (inside == name) near.push_back(each + ":" + name);
    return Error{fmt::format("the kernel has no category of tracepoints {}{}", escape_control(category),
                             near.empty() ? did_you_mean(category, categories)
                                          : fmt::format("; did you mean {}", fmt::join(near, " or ")))};
}

Result<std::vector<std::string>> Tracefs::traceable_functions() const {
    const Result<std::string> text = read("available_filter_functions", 64u << 20);
    if (!text) return text.error();
    std::vector<std::string> out;
    for (std::string_view line : split(*text, '\n')) {
        line = line.substr(0, line.find_first_of(" \t"));
        // Functions that were discarded at boot keep their place under this name.
        if (!line.empty() && !line.starts_with("__ftrace_invalid_address__")) out.emplace_back(line);
    }
    sort_unique(out);
    return out;
}

std::vector<std::string> kernel_functions() {
    std::vector<std::string> out;
    const Result<std::string> text = read_file("/proc/kallsyms");
    if (!text) return out;
    for (const std::string_view line : split(*text, '\n')) {
        const std::size_t type = line.find(' ');
        if (type == std::string_view::npos || type + 3 > line.size()) continue;
        if (std::string_view("tTwW").find(line[type + 1]) == std::string_view::npos) continue;
        const std::string_view name = line.substr(type + 3);
        out.emplace_back(name.substr(0, name.find('\t')));
    }
    sort_unique(out);
    return out;
}

}  // namespace waggle::kernel
