// SPDX-License-Identifier: Apache-2.0
#include "facts/sockets/waiting_for.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <fcntl.h>
#include <array>
#include <charconv>
#include <climits>
#include <vector>

#include "base/put.h"

namespace waggle::facts {
namespace {

constexpr std::size_t most_threads = 256;
constexpr std::uint64_t most_polled = 1024;

enum class Call : std::uint8_t {
    unknown,
    accept,
    epoll,
    poll,
    some_of_many,  // select: what it waits for stands in the program's memory, as bits
    read,
    write,
    connect,
    lock,
    pause,
    child,
    file_lock,
    disk,
    signal,
    open,
};

Call call_of(const SystemCall& call) {
    switch (call.number) {
        case SYS_accept:
        case SYS_accept4:
            return Call::accept;
#ifdef SYS_epoll_wait
        case SYS_epoll_wait:
#endif
        case SYS_epoll_pwait:
#ifdef SYS_epoll_pwait2
        case SYS_epoll_pwait2:
#endif
            return Call::epoll;
#ifdef SYS_poll
        case SYS_poll:
#endif
        case SYS_ppoll:
            return Call::poll;
#ifdef SYS_select
        case SYS_select:
#endif
        case SYS_pselect6:
            return Call::some_of_many;
        case SYS_read:
        case SYS_readv:
        case SYS_recvfrom:
        case SYS_recvmsg:
        case SYS_recvmmsg:
            return Call::read;
        case SYS_write:
        case SYS_writev:
        case SYS_sendto:
        case SYS_sendmsg:
        case SYS_sendmmsg:
            return Call::write;
        case SYS_connect:
            return Call::connect;
        case SYS_futex:
            return Call::lock;
        case SYS_nanosleep:
        case SYS_clock_nanosleep:
            return Call::pause;
        case SYS_wait4:
        case SYS_waitid:
            return Call::child;
        case SYS_flock:
            return Call::file_lock;
        case SYS_fcntl:
            return call.arguments[1] == F_SETLKW ? Call::file_lock : Call::unknown;
        case SYS_fsync:
        case SYS_fdatasync:
            return Call::disk;
#ifdef SYS_pause
        case SYS_pause:
#endif
        case SYS_rt_sigsuspend:
        case SYS_rt_sigtimedwait:
            return Call::signal;
#ifdef SYS_open
        case SYS_open:
#endif
        case SYS_openat:
            return Call::open;
    }
    return Call::unknown;
}

std::string link_of_fd(Procfs& proc, std::uint32_t pid, std::uint64_t fd) {
    return std::string(proc.link(pid, fmt::format("fd/{}", static_cast<int>(fd))));
}
std::uint32_t socket_of_fd(Procfs& proc, std::uint32_t pid, std::uint64_t fd) {
    return static_cast<std::uint32_t>(inode_of_link(link_of_fd(proc, pid, fd), "socket"));
}

// A line of fdinfo for each member: "tfd:        5 events:       19 data: 5  pos:0 ino:1f3c sdev:8". Nothing
// where the set cannot be read.
std::optional<bool> epoll_has(Procfs& proc, std::uint32_t pid, std::uint64_t fd, std::uint32_t inode) {
    std::string_view text = proc.file(pid, fmt::format("fdinfo/{}", static_cast<int>(fd)));
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        const std::size_t events = line.find("events:"), at = line.find("ino:");
        if (!line.starts_with("tfd:") || events == std::string_view::npos || at == std::string_view::npos)
            continue;
        const auto hex = [](std::string_view digits) {
            digits.remove_prefix(std::min(digits.find_first_not_of(' '), digits.size()));
            std::uint64_t value = 0;
            std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
            return value;
        };
        // Without POLLIN it is in the set and not waited for, as after EPOLLONESHOT.
        if (hex(line.substr(at + 4)) == inode && (hex(line.substr(events + 7)) & POLLIN)) return true;
    }
    return false;
}

bool read_memory(std::uint32_t pid, std::uint64_t from, void* to, std::size_t bytes) {
    const iovec here{to, bytes};
    const iovec there{reinterpret_cast<void*>(from), bytes};  // NOLINT(performance-no-int-to-ptr)
    return ::process_vm_readv(static_cast<pid_t>(pid), &here, 1, &there, 1, 0) == static_cast<ssize_t>(bytes);
}

std::optional<bool> poll_has(Procfs& proc, std::uint32_t pid, const SystemCall& call, std::uint32_t inode) {
    if (call.arguments[1] == 0) return false;
    if (call.arguments[1] > most_polled) return std::nullopt;
    std::vector<pollfd> polled(call.arguments[1]);
    if (!read_memory(pid, call.arguments[0], polled.data(), polled.size() * sizeof(pollfd)))
        return std::nullopt;
    for (const pollfd& one : polled)
        if (one.fd >= 0 && (one.events & POLLIN) &&
            socket_of_fd(proc, pid, static_cast<std::uint64_t>(one.fd)) == inode)
            return true;
    return false;
}

// The path that a call names, a few bytes at a time: what stands behind it may not be readable.
std::string path_in(std::uint32_t pid, std::uint64_t address) {
    std::string path;
    std::array<char, 16> part{};
    while (path.size() < PATH_MAX) {
        const std::size_t bytes = part.size() - address % part.size();  // never past the end of a page
        if (!read_memory(pid, address, part.data(), bytes)) return {};
        const std::string_view read(part.data(), bytes);
        const std::size_t end = read.find('\0');
        path += read.substr(0, end);
        if (end != std::string_view::npos) return path;
        address += bytes;
    }
    return {};
}

// Opening a named pipe waits until somebody opens its other end.
std::string words_of_open(const Procfs& proc, std::uint32_t pid, const SystemCall& call) {
    const bool at = call.number == SYS_openat;
    const std::string path = path_in(pid, call.arguments[at ? 1 : 0]);
    if (path.empty() || (path[0] != '/' && at && static_cast<int>(call.arguments[0]) != AT_FDCWD)) return {};
    struct stat file{};
    const std::string here =
        fmt::format("{}/{}/{}/{}", proc.root(), pid, path[0] == '/' ? "root" : "cwd", path);
    if (::stat(here.c_str(), &file) != 0 || !S_ISFIFO(file.st_mode)) return {};
    return "somebody who opens the other end of the named pipe " + path;
}

std::string words_of_transfer(const std::string& link, std::string_view of_socket, std::string_view of_pipe,
                              std::string_view of_file) {
    if (link.starts_with("socket:")) return std::string(of_socket);
    if (link.starts_with("pipe:")) return std::string(of_pipe);
    if (link.starts_with('/')) return fmt::format("{} {}", of_file, link);
    return {};
}

Waiting waiting_of_thread(Procfs& proc, std::uint32_t pid, const SystemCall& call, std::uint32_t asked) {
    Waiting out;
    const Call kind = call_of(call);
    switch (kind) {
        case Call::unknown:
            return out;
        case Call::accept:
            out.for_socket = socket_of_fd(proc, pid, call.arguments[0]) == asked;
            out.words = "new connections";
            return out;
        case Call::epoll:
            out.for_socket = epoll_has(proc, pid, call.arguments[0], asked);
            out.words = "events of its sockets and files (epoll)";
            return out;
        case Call::poll:
            out.for_socket = poll_has(proc, pid, call, asked);
            out.words = "events of its sockets and files (poll)";
            return out;
        case Call::some_of_many:
            out.words = "events of its sockets and files (select)";
            return out;
        case Call::read:
        case Call::write: {
            const std::string link = link_of_fd(proc, pid, call.arguments[0]);
            out.inode = static_cast<std::uint32_t>(inode_of_link(link, "socket"));
            out.at_pipe = link.starts_with("pipe:");
            out.for_socket = kind == Call::read && out.inode == asked;
            out.words = kind == Call::read ? words_of_transfer(link, "data on a connection", "data in a pipe",
                                                               "data of the file")
                                           : words_of_transfer(link, "room to send on a connection",
                                                               "room in a pipe", "room in the file");
            if (*out.for_socket) out.words = "packets";
            return out;
        }
        case Call::connect:
            out.inode = socket_of_fd(proc, pid, call.arguments[0]);
            out.words = "a connection that it makes itself";
            break;
        case Call::lock:
            out.words = "a lock or another of its threads (futex)";
            break;
        case Call::pause:
            out.words = "the end of a pause that it makes itself (sleep)";
            break;
        case Call::child:
            out.words = "the end of a child process";
            out.for_child = true;
            break;
        case Call::file_lock:
            out.words = "a lock on the file " + link_of_fd(proc, pid, call.arguments[0]);
            break;
        case Call::disk:
            out.words =
                "the disk, until all is written of the file " + link_of_fd(proc, pid, call.arguments[0]);
            break;
        case Call::signal:
            out.words = "a signal";
            out.for_child = true;  // SIGCHLD, as timeout(1) does
            break;
        case Call::open:
            out.words = words_of_open(proc, pid, call);
            break;
    }
    out.for_socket = false;
    return out;
}

}  // namespace

std::optional<SystemCall> parse_system_call(std::string_view line) {
    SystemCall call;
    std::uint64_t numbers[9] = {};
    std::size_t count = 0;
    while (!line.empty() && count < std::size(numbers)) {
        std::string_view word = line.substr(0, line.find_first_of(" \n"));
        line.remove_prefix(std::min(line.size(), word.size() + 1));
        if (word.empty()) break;
        const int base = word.starts_with("0x") ? 16 : 10;
        if (base == 16) word.remove_prefix(2);
        if (count == 0 && word.starts_with('-')) return std::nullopt;  // in no system call
        const auto [end, wrong] =
            std::from_chars(word.data(), word.data() + word.size(), numbers[count], base);
        if (wrong != std::errc() || end != word.data() + word.size()) return std::nullopt;  // "running"
        ++count;
    }
    if (count != std::size(numbers)) return std::nullopt;
    // A 32-bit program counts its system calls another way; its stack is below 4 GiB.
    if (numbers[7] < (std::uint64_t{1} << 32)) return std::nullopt;
    call.number = static_cast<long>(numbers[0]);
    for (std::size_t i = 0; i < 6; ++i) call.arguments[i] = numbers[i + 1];
    return call;
}

SystemCalls system_calls_of(Procfs& proc, std::uint32_t pid) {
    SystemCalls calls;
    const std::vector<std::uint32_t> threads = proc.threads(pid);
    if (threads.size() > most_threads) return calls;
    for (const std::uint32_t tid : threads)
        calls.push_back(parse_system_call(proc.file(pid, fmt::format("task/{}/syscall", tid))));
    return calls;
}

Waiting waiting_for(Procfs& proc, std::uint32_t pid, const SystemCalls& calls, std::uint32_t socket_inode) {
    Waiting out;
    bool all_known = !calls.empty(), first = true, alike = true;
    for (const std::optional<SystemCall>& call : calls) {
        const Waiting one = call ? waiting_of_thread(proc, pid, *call, socket_inode) : Waiting{};
        if (one.for_socket == true) return one;
        all_known = all_known && one.for_socket.has_value();
        alike = alike && (first || (one.words == out.words && one.inode == out.inode));
        if (first) out = one;
        first = false;
    }
    if (!alike) {
        out.words.clear();
        out.inode = 0;
    }
    out.for_socket = all_known ? std::optional(false) : std::nullopt;
    return out;
}

}  // namespace waggle::facts
