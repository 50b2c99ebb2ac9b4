// SPDX-License-Identifier: Apache-2.0
#include "sensors/bpftrace/bpftrace_script.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace waggle::sensors {
namespace {

constexpr std::size_t line_limit = 1u << 20;
constexpr std::size_t errors_limit = 16u << 10;
constexpr const char* tracefs = "/sys/kernel/tracing";

// The child, between fork and exec: it may only make system calls.
[[noreturn]] void become_bpftrace(const char* program, const char* file, int out, int err, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::setpgid(0, 0);  // Ctrl-C at the terminal is for us; we pass it on
    struct sigaction standard{};
    standard.sa_handler = SIG_DFL;
    for (const int signal : {SIGPIPE, SIGINT, SIGTERM}) ::sigaction(signal, &standard, nullptr);
    const int nothing = ::open("/dev/null", O_RDONLY);
    if (nothing < 0 || ::dup2(nothing, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) ::_exit(127);
    if (::access("/sys/kernel/tracing/events", F_OK) != 0 && ::unshare(CLONE_NEWNS) == 0 &&
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0)
        ::mount("tracefs", tracefs, "tracefs", 0, nullptr);
    ::execl(program, "bpftrace", "-f", "json", file, nullptr);
    ::_exit(127);
}

// "x.bt:1:8-14: ERROR: Unknown function: nosuch", the first of them. bpftrace also calls it an error that it
// cannot raise a limit which it does not need.
std::string first_error(std::string_view errors) {
    std::string_view first;
    for (const std::string_view line : split(errors, '\n')) {
        if (trim(line).empty() || line.find("RLIMIT_MEMLOCK") != std::string_view::npos) continue;
        if (line.find("ERROR") != std::string_view::npos) return std::string(trim(line));
        if (first.empty()) first = trim(line);
    }
    return std::string(first);
}

}  // namespace

std::string BpftraceScript::program() {
    const char* path = std::getenv("PATH");
    for (const std::string_view folder : split(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin", ':')) {
        std::string candidate = fmt::format("{}/bpftrace", folder.empty() ? "." : folder);
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return {};
}

Result<BpftraceScript> BpftraceScript::start(const std::string& file) {
    const std::string name = escape_control(file);
    if (::access(file.c_str(), R_OK) != 0)
        return Error{fmt::format("{}: {}", name, std::strerror(errno)), ErrorKind::usage};
    const std::string installed = program();
    if (installed.empty())
        return Error{"bpftrace is not installed (apt-get install bpftrace)", ErrorKind::unsupported};
    int out[2], err[2];
    if (::pipe2(out, O_CLOEXEC) != 0)
        return Error{fmt::format("no pipe for bpftrace: {}", std::strerror(errno))};
    BpftraceScript script;
    script.out_ = OwnedFd(out[0]);
    const OwnedFd out_end(out[1]);
    if (::pipe2(err, O_CLOEXEC) != 0)
        return Error{fmt::format("no pipe for bpftrace: {}", std::strerror(errno))};
    script.err_ = OwnedFd(err[0]);
    const OwnedFd err_end(err[1]);
    for (const int fd : {out[0], err[0]}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    const pid_t self = ::getpid();
    script.pid_ = ::fork();
    if (script.pid_ == 0)
        become_bpftrace(installed.c_str(), file.c_str(), out_end.get(), err_end.get(), self);
    if (script.pid_ < 0) return Error{fmt::format("cannot run bpftrace: {}", std::strerror(errno))};
    return script;
}

BpftraceScript::BpftraceScript(BpftraceScript&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::move(other.out_)),
      err_(std::move(other.err_)),
      part_(std::move(other.part_)),
      errors_(std::move(other.errors_)),
      failure_(std::move(other.failure_)),
      lines_too_long_(other.lines_too_long_),
      skipping_(other.skipping_),
      asked_(other.asked_),
      ended_(other.ended_) {}

BpftraceScript::~BpftraceScript() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void BpftraceScript::read_errors() {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(err_.get(), buffer, sizeof buffer)) > 0;)
        if (errors_.size() < errors_limit) errors_.append(buffer, static_cast<std::size_t>(got));
}

bool BpftraceScript::read_lines(const std::function<void(std::string_view)>& line) {
    if (ended_) return false;
    read_errors();
    char buffer[64u << 10];
    std::size_t taken = 0;
    while (taken < line_limit) {
        const ssize_t got = ::read(out_.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return false;  // nothing more for now
        if (got == 0) {
            if (!part_.empty()) line(part_);
            part_.clear();
            reap();
            return false;
        }
        taken += static_cast<std::size_t>(got);
        std::string_view rest(buffer, static_cast<std::size_t>(got));
        for (std::size_t end = 0; (end = rest.find('\n')) != std::string_view::npos;
             rest.remove_prefix(end + 1)) {
            if (skipping_) {
                skipping_ = false;
                continue;
            }
            part_.append(rest.substr(0, end));
            line(part_);
            part_.clear();
        }
        if (skipping_) continue;
        part_.append(rest);
        if (part_.size() > line_limit) {
            ++lines_too_long_;
            skipping_ = true;
            part_.clear();
        }
    }
    return true;
}

bool BpftraceScript::wait(std::uint64_t timeout_ms) const {
    pollfd ready[] = {{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
    return ::poll(ready, 2, static_cast<int>(timeout_ms)) > 0;
}

void BpftraceScript::ask_to_end() {
    if (pid_ > 0 && !asked_) ::kill(pid_, SIGINT);
    asked_ = true;
}

void BpftraceScript::kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

// Its output is closed: it has ended, or is about to.
void BpftraceScript::reap() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    ended_ = true;
    read_errors();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    failure_ = first_error(errors_);
    if (failure_.empty())
        failure_ = WIFSIGNALED(status) ? fmt::format("it was ended by signal {}", WTERMSIG(status))
                                       : fmt::format("it ended with code {}", WEXITSTATUS(status));
}

}  // namespace waggle::sensors
