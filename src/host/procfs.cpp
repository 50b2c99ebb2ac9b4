// SPDX-License-Identifier: Apache-2.0
#include "host/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/put.h"
#include "bpf/process_flags.h"
#include "host/stat_fields.h"

namespace waggle::facts {
namespace {

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

Directory open_directory(int at, const char* path) {
    const int fd = ::openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return {nullptr, ::closedir};
    DIR* directory = ::fdopendir(fd);
    if (!directory) ::close(fd);
    return {directory, ::closedir};
}

constexpr std::uint64_t ns_per_tick = 10'000'000;  // USER_HZ is 100 wherever Linux runs

}  // namespace

std::string_view cgroup_path(std::string_view file) {
    std::string_view best;
    while (!file.empty()) {
        std::string_view line = file.substr(0, file.find('\n'));
        file.remove_prefix(std::min(file.size(), line.size() + 1));
        const std::size_t controllers = line.find(':');
        const std::size_t path = line.find(':', controllers + 1);
        if (controllers == std::string_view::npos || path == std::string_view::npos) continue;
        if (line.substr(path + 1).size() > best.size()) best = line.substr(path + 1);
    }
    return best;
}

ResourceLimit resource_limit(std::string_view file, std::string_view name) {
    ResourceLimit limit;
    const std::string key = "\n" + std::string(name);
    const std::size_t at = file.find(key);
    if (at == std::string_view::npos) return limit;
    file.remove_prefix(at + key.size());
    for (std::optional<std::int64_t>* const one : {&limit.soft, &limit.hard}) {
        file.remove_prefix(std::min(file.find_first_not_of(' '), file.size()));
        const std::string_view word = file.substr(0, file.find_first_of(" \n"));
        if (word != "unlimited" && !word.empty()) *one = number_of(word);
        file.remove_prefix(word.size());
    }
    return limit;
}

bool parse_stat(std::string_view text, ProcessStat& stat) {
    const std::optional<StatFields> fields = StatFields::read(text);
    if (!fields) return false;
    stat.comm = fields->comm();
    stat.state = fields->field(3)[0];
    stat.parent_pid = number_of<std::uint32_t>(fields->field(4));
    stat.session_id = number_of<std::uint32_t>(fields->field(6));
    stat.terminal = number_of<std::uint32_t>(fields->field(7));
    stat.kernel_thread = (number_of<std::uint32_t>(fields->field(9)) & PF_KTHREAD) != 0;
    stat.cpu_ns =
        (number_of<std::uint64_t>(fields->field(14)) + number_of<std::uint64_t>(fields->field(15))) *
        ns_per_tick;
    stat.threads = number_of<std::uint32_t>(fields->field(20));
    stat.start_ns = number_of<std::uint64_t>(fields->field(22)) * ns_per_tick;
    stat.rss_bytes =
        number_of<std::uint64_t>(fields->field(24)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return true;
}

std::uint64_t inode_of_link(std::string_view link, std::string_view kind) {
    if (link.size() < kind.size() + 3 || !link.starts_with(kind) || link[kind.size()] != ':') return 0;
    return number_of<std::uint64_t>(link.substr(kind.size() + 2));
}

Procfs::Procfs(std::string root)
    : root_(std::move(root)), directory_(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    buffer_.resize(16384);
    own_numbers_ = link("self") == std::to_string(::getpid());
}

std::vector<std::uint32_t> Procfs::pids() const {
    std::vector<std::uint32_t> pids;
    const Directory directory = open_directory(directory_.get(), ".");
    if (!directory) return pids;
    while (const dirent* entry = ::readdir(directory.get()))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            pids.push_back(number_of<std::uint32_t>(entry->d_name));
    std::sort(pids.begin(), pids.end());
    return pids;
}

ResourceLimit Procfs::limit(std::uint32_t pid, int resource, std::string_view name) {
    rlimit64 limit{};
    if (!own_numbers_ ||
        ::prlimit64(static_cast<pid_t>(pid), static_cast<__rlimit_resource>(resource), nullptr, &limit) != 0)
        return resource_limit(file(pid, "limits"), name);
    const auto value = [](rlim64_t at) {
        return at == RLIM64_INFINITY ? std::nullopt : std::optional(static_cast<std::int64_t>(at));
    };
    return {value(limit.rlim_cur), value(limit.rlim_max)};
}

void Procfs::each_fd(std::uint32_t pid,
                     const std::function<void(int fd, std::string_view target)>& visit) const {
    char path[32];
    *fmt::format_to_n(path, sizeof path - 1, "{}/fd", pid).out = '\0';
    const Directory directory = open_directory(directory_.get(), path);
    if (!directory) return;
    char target[4096];
    while (const dirent* entry = ::readdir(directory.get())) {
        if (entry->d_name[0] == '.') continue;
        const ssize_t size = ::readlinkat(::dirfd(directory.get()), entry->d_name, target, sizeof target);
        if (size > 0)
            visit(number_of<int>(entry->d_name), std::string_view(target, static_cast<std::size_t>(size)));
    }
}

void Procfs::each_fd_number(std::uint32_t pid, const std::function<void(int fd)>& visit) const {
    char path[32];
    *fmt::format_to_n(path, sizeof path - 1, "{}/fd", pid).out = '\0';
    const Directory directory = open_directory(directory_.get(), path);
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory.get()))
        if (entry->d_name[0] != '.') visit(number_of<int>(entry->d_name));
}

std::vector<std::uint32_t> Procfs::threads(std::uint32_t pid) const {
    std::vector<std::uint32_t> out;
    char path[32];
    *fmt::format_to_n(path, sizeof path - 1, "{}/task", pid).out = '\0';
    const Directory directory = open_directory(directory_.get(), path);
    if (!directory) return out;
    while (const dirent* entry = ::readdir(directory.get()))
        if (entry->d_name[0] != '.') out.push_back(number_of<std::uint32_t>(entry->d_name));
    return out;
}

std::string_view Procfs::file(std::uint32_t pid, std::string_view name) {
    char path[64];
    *fmt::format_to_n(path, sizeof path - 1, "{}/{}", pid, name).out = '\0';
    return file(path);
}

std::string_view Procfs::file(const char* path) {
    const OwnedFd fd(::openat(directory_.get(), path, O_RDONLY | O_CLOEXEC));
    if (!fd) return {};
    std::size_t used = 0;
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer_.data() + used, buffer_.size() - used);
        if (got <= 0) return {buffer_.data(), used};
        used += static_cast<std::size_t>(got);
        if (used == buffer_.size()) buffer_.resize(buffer_.size() * 2);
    }
}

std::string_view Procfs::link(std::uint32_t pid, std::string_view name) {
    char path[64];
    *fmt::format_to_n(path, sizeof path - 1, "{}/{}", pid, name).out = '\0';
    return link(path);
}

std::string_view Procfs::link(const char* path) {
    const ssize_t size = ::readlinkat(directory_.get(), path, buffer_.data(), buffer_.size());
    return size > 0 ? std::string_view(buffer_.data(), static_cast<std::size_t>(size)) : std::string_view();
}

std::string_view Procfs::comm(std::uint32_t pid) {
    std::string_view name = file(pid, "comm");
    if (name.ends_with('\n')) name.remove_suffix(1);
    return name;
}

}  // namespace waggle::facts
