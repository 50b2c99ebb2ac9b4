// SPDX-License-Identifier: Apache-2.0
#include "lab/process.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include "base/text.h"

extern char** environ;

namespace waggle::lab {
namespace {

using Time = std::chrono::steady_clock;
constexpr std::chrono::seconds grace{3};
constexpr std::size_t most_output = 16u << 20;

// A file in memory, so that a background process that keeps it open holds nobody up.
OwnedFd output_file() { return OwnedFd(::memfd_create("waggle-lab", MFD_CLOEXEC)); }

std::string content_of(const OwnedFd& file) {
    std::string text;
    char part[65536];
    ssize_t got = 0;
    while (text.size() < most_output &&
           (got = ::pread(file.get(), part, sizeof part, static_cast<off_t>(text.size()))) > 0)
        text.append(part, static_cast<std::size_t>(got));
    return text;
}

std::vector<std::string> whole_environment(const Command& command) {
    std::vector<std::string> out;
    for (char** entry = environ; *entry; ++entry) {
        const std::string_view line = *entry;
        const std::string_view name = line.substr(0, line.find('='));
        bool replaced = false;
        for (const auto& [key, value] : command.environment) replaced |= key == name;
        if (!replaced) out.emplace_back(line);
    }
    for (const auto& [key, value] : command.environment) out.push_back(key + "=" + value);
    return out;
}

struct Spawned {
    pid_t pid = -1;
    OwnedFd out, err;
};

std::vector<char*> pointers_to(std::vector<std::string>& words) {
    std::vector<char*> out;
    out.reserve(words.size() + 1);
    for (std::string& word : words) out.push_back(word.data());
    out.push_back(nullptr);
    return out;
}

// `session`: away from the terminal, so that a Ctrl-C typed there does not reach it.
Result<Spawned> spawn(const Command& command, int input, bool session) {
    Spawned spawned{-1, output_file(), output_file()};
    if (!spawned.out || !spawned.err)
        return Error{fmt::format("cannot make a file in memory: {}", std::strerror(errno))};
    std::vector<std::string> words = command.words, environment = whole_environment(command);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, spawned.out.get(), STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, spawned.err.get(), STDERR_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t plain;
    sigemptyset(&plain);
    sigaddset(&plain, SIGPIPE);  // we ignore it, shells must not
    posix_spawnattr_setsigdefault(&attributes, &plain);
    posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETSIGDEF | (session ? POSIX_SPAWN_SETSID : POSIX_SPAWN_SETPGROUP)));
    const int wrong = posix_spawnp(&spawned.pid, words.front().c_str(), &files, &attributes,
                                   pointers_to(words).data(), pointers_to(environment).data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (wrong)
        return Error{fmt::format("cannot run {}: {}", escape_control(words.front()), std::strerror(wrong))};
    return spawned;
}

// Waits for the process; `stop` may be null.
Outcome wait_for(const Spawned& spawned, std::chrono::milliseconds at_most, const std::atomic<bool>* stop) {
    Outcome outcome;
    const OwnedFd ended(static_cast<int>(::syscall(SYS_pidfd_open, spawned.pid, 0)));
    const auto end = Time::now() + at_most;
    std::optional<Time::time_point> kill_at;
    pollfd wait{ended.get(), POLLIN, 0};
    while (true) {
        // The flag is looked at each time, because a signal can come just before the sleep begins.
        if (::poll(&wait, 1, 100) > 0) break;
        const auto now = Time::now();
        if (!kill_at && stop && stop->load(std::memory_order_relaxed)) {
            outcome.interrupted = true;
            ::kill(-spawned.pid, SIGINT);
            kill_at = now + grace;
        }
        if (!kill_at && now >= end) {
            outcome.timed_out = true;
            ::kill(-spawned.pid, SIGTERM);
            kill_at = now + grace;
        }
        if (kill_at && now >= *kill_at) ::kill(-spawned.pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(spawned.pid, &status, 0) < 0 && errno == EINTR) continue;
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    outcome.out = content_of(spawned.out);
    outcome.err = content_of(spawned.err);
    return outcome;
}

}  // namespace

Result<Outcome> run(const Command& command, const std::atomic<bool>& stop) {
    Result<Spawned> spawned = spawn(command, -1, false);
    if (!spawned) return spawned.error();
    return wait_for(*spawned, command.at_most, &stop);
}

Result<Guard> Guard::start(const Command& command) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return Error{fmt::format("cannot make a pipe: {}", std::strerror(errno))};
    const OwnedFd read_end(ends[0]);
    Guard guard;
    guard.line_ = OwnedFd(ends[1]);
    // `read` comes back at the end of the pipe, which is when its other end is closed.
    Command waiting{
        {"/bin/bash", "-c", "trap '' INT TERM HUP; read -r _; exec \"$@\" < /dev/null", "waggle-lab-guard"},
        command.environment,
        command.at_most};
    waiting.words.insert(waiting.words.end(), command.words.begin(), command.words.end());
    Result<Spawned> spawned = spawn(waiting, read_end.get(), true);
    if (!spawned) return spawned.error();
    guard.pid_ = spawned->pid;
    guard.out_ = std::move(spawned->out);
    guard.err_ = std::move(spawned->err);
    guard.at_most_ = command.at_most;
    return guard;
}

Guard::Guard(Guard&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      line_(std::move(other.line_)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      at_most_(other.at_most_) {}

Guard::~Guard() { (void)finish(); }

Result<Outcome> Guard::finish() {
    if (pid_ <= 0) return Outcome{};
    line_.reset();
    const Spawned spawned{std::exchange(pid_, -1), std::move(out_), std::move(err_)};
    return wait_for(spawned, at_most_, nullptr);
}

}  // namespace waggle::lab
