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

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace waggle::sensors {
namespace {

constexpr std::size_t line_limit = 64u << 20;
constexpr std::size_t bytes_at_once = 1u << 20;
constexpr std::size_t most_warnings = 5;
constexpr std::uint64_t ask_again_ns = 1'000'000'000;
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

// The lines of its stderr that say something. bpftrace calls it an error that it cannot raise a limit which
// it does not need.
std::vector<std::string_view> lines_of(std::string_view errors) {
    std::vector<std::string_view> out;
    for (const std::string_view line : split(errors, '\n'))
        if (!trim(line).empty() && line.find("RLIMIT_MEMLOCK") == std::string_view::npos)
            out.push_back(trim(line));
    return out;
}

// "x.bt:1:8-14: ERROR: Unknown function: nosuch", the first of them; else the first line.
std::string first_error(std::string_view errors) {
    const std::vector<std::string_view> lines = lines_of(errors);
    const auto is_error = [](std::string_view line) { return line.find("ERROR") != std::string_view::npos; };
    const auto found = std::ranges::find_if(lines, is_error);
    return std::string(found != lines.end() ? *found : lines.empty() ? std::string_view() : lines.front());
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
    if (script.pid_ > 0) ::setpgid(script.pid_, script.pid_);  // whoever of the two comes first
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
      asked_ns_(other.asked_ns_),
      ended_(other.ended_) {}

BpftraceScript::~BpftraceScript() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);  // bpftrace can be a shell's script that starts the real one
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

void BpftraceScript::read_errors() {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(err_.get(), buffer, sizeof buffer)) > 0;)
        if (errors_.size() < errors_limit) errors_.append(buffer, static_cast<std::size_t>(got));
}

void BpftraceScript::read_lines(const std::function<void(std::string_view)>& line) {
    if (ended_) return;
    read_errors();
    char buffer[64u << 10];
    std::size_t taken = 0;
    while (taken < bytes_at_once) {
        const ssize_t got = ::read(out_.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return;  // nothing more for now
        if (got == 0) {
            if (!part_.empty()) line(part_);
            part_.clear();
            reap();
            return;
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
}

bool BpftraceScript::wait(std::uint64_t timeout_ms) const {
    pollfd ready[] = {{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
    return ::poll(ready, 2, static_cast<int>(timeout_ms)) > 0;
}

// SIGTERM, which it takes as it does SIGINT; but after the first SIGINT a second one would cut off its last
// words.
void BpftraceScript::ask_to_end(std::uint64_t now_ns) {
    if (pid_ <= 0 || (asked_ns_ != 0 && now_ns < asked_ns_ + ask_again_ns)) return;
    asked_ns_ = now_ns;
    ::kill(-pid_, SIGTERM);
}

std::vector<std::string> BpftraceScript::warnings() const {
    std::vector<std::string> out;
    for (const std::string_view line : lines_of(errors_))
        if (line.find("WARNING") != std::string_view::npos && out.size() < most_warnings)
            out.emplace_back(line);
    return out;
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
    // Asked to end, it ends with a code of its own or by the very signal, according to its age.
    if (was_asked_to_end() && failure_.find("ERROR") == std::string::npos) {
        failure_.clear();
        return;
    }
    if (failure_.empty())
        failure_ = WIFSIGNALED(status) ? fmt::format("it was ended by signal {}", WTERMSIG(status))
                                       : fmt::format("it ended with code {}", WEXITSTATUS(status));
}

}  // namespace waggle::sensors
