// SPDX-License-Identifier: Apache-2.0
#include "facts/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

#include "facts/put.h"

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

bool parse_stat(std::string_view text, ProcessStat& stat) {
    const std::size_t open = text.find('(');
    const std::size_t close = text.rfind(')');  // the name itself may hold parentheses
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) return false;
    stat.comm = text.substr(open + 1, close - open - 1);
    std::array<std::string_view, 22> parts;  // from the third field on
    std::size_t count = 0;
    for (std::string_view rest = text.substr(close + 1); count < parts.size();) {
        const std::size_t start = rest.find_first_not_of(" \n");
        if (start == std::string_view::npos) break;
        rest.remove_prefix(start);
        const std::size_t end = std::min(rest.find_first_of(" \n"), rest.size());
        parts[count++] = rest.substr(0, end);
        rest.remove_prefix(end);
    }
    if (count < parts.size()) return false;
    constexpr std::uint32_t pf_kthread = 0x00200000;
    stat.state = parts[0][0];
    stat.parent_pid = number_of<std::uint32_t>(parts[1]);
    stat.kernel_thread = (number_of<std::uint32_t>(parts[6]) & pf_kthread) != 0;
    stat.cpu_ns = (number_of<std::uint64_t>(parts[11]) + number_of<std::uint64_t>(parts[12])) * ns_per_tick;
    stat.threads = number_of<std::uint32_t>(parts[17]);
    stat.start_ns = number_of<std::uint64_t>(parts[19]) * ns_per_tick;
    stat.rss_bytes =
        number_of<std::uint64_t>(parts[21]) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return true;
}

std::uint64_t inode_of_link(std::string_view link, std::string_view kind) {
    if (link.size() < kind.size() + 3 || !link.starts_with(kind) || link[kind.size()] != ':') return 0;
    return number_of<std::uint64_t>(link.substr(kind.size() + 2));
}

Procfs::Procfs(std::string root)
    : root_(std::move(root)), directory_(::open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    buffer_.resize(16384);
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
