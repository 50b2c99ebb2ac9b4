// SPDX-License-Identifier: Apache-2.0
#include "host/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <memory>
#include <vector>

#include "base/text.h"
#include "host/stat_fields.h"

namespace waggle::context {
namespace {

template <class Number>
bool parse(std::string_view text, Number& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size();
}

// Long enough for "4294967295/cgroup".
using Path = std::array<char, 32>;
Path path_of(std::uint32_t pid, const char* file) {
    Path path{};
    *fmt::format_to_n(path.data(), path.size() - 1, "{}/{}", pid, file).out = '\0';
    return path;
}

}  // namespace

std::optional<ProcStat> parse_stat(std::string_view text) {
    const std::optional<StatFields> fields = StatFields::read(text);
    ProcStat out;
    if (!fields || !parse(fields->pid(), out.pid) || !parse(fields->field(4), out.parent_pid) ||
        !parse(fields->field(22), out.start_ticks))
        return std::nullopt;
    out.comm = fields->comm();
    return out;
}

Result<Proc> Proc::open(const std::string& root) {
    OwnedFd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return Error{fmt::format("cannot open {}: {}", root, std::strerror(errno))};
    return Proc(std::move(fd));
}

std::uint64_t Proc::tick_ns() {
    static const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return 1'000'000'000 / ticks;
}

std::string Proc::read(std::uint32_t pid, const char* file) const {
    const OwnedFd fd(::openat(root_.get(), path_of(pid, file).data(), O_RDONLY | O_CLOEXEC));
    std::string text;
    if (!fd) return text;
    char buffer[8192];
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return text;
        text.append(buffer, static_cast<std::size_t>(got));
        // A short read is the end here; asking once more would double the cost.
        if (static_cast<std::size_t>(got) < sizeof buffer / 2) return text;
    }
}

std::optional<ProcStat> Proc::stat(std::uint32_t pid) const {
    const std::string text = read(pid, "stat");
    if (text.empty()) return std::nullopt;
    return parse_stat(text);
}

std::string Proc::link(std::uint32_t pid, const char* file) const {
    char target[PATH_MAX];
    const ssize_t length = ::readlinkat(root_.get(), path_of(pid, file).data(), target, sizeof target);
    return length > 0 ? std::string(target, static_cast<std::size_t>(length)) : std::string();
}

std::string Proc::exe(std::uint32_t pid) const {
    std::string path = link(pid, "exe");
    constexpr std::string_view mark = " (deleted)";
    if (path.ends_with(mark)) {
        // A file can be named so. Only of one that is gone it is the kernel's mark.
        struct stat file{};
        if (::fstatat(root_.get(), path_of(pid, "exe").data(), &file, 0) != 0 || file.st_nlink == 0)
            path.resize(path.size() - mark.size());
    }
    return path;
}

std::string Proc::cwd(std::uint32_t pid) const { return link(pid, "cwd"); }

std::string Proc::cgroup(std::uint32_t pid) const { return read(pid, "cgroup"); }

std::vector<std::uint32_t> Proc::pids() const {
    std::vector<std::uint32_t> out;
    const int fd = ::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return out;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd), &::closedir);
    if (!directory) {
        ::close(fd);
        return out;
    }
    while (const dirent* entry = ::readdir(directory.get())) {
        std::uint32_t pid = 0;
        if (parse(std::string_view(entry->d_name), pid)) out.push_back(pid);
    }
    return out;
}

}  // namespace waggle::context
