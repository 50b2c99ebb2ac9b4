// SPDX-License-Identifier: Apache-2.0
// Network namespaces of a test's own. They have no name and are gone with their last holder, so nothing is
// left on the machine, however the test ends.
//
// Not thread-safe: an Inside moves the calling thread. Needs root. Failures end the process with the reason:
// without its network no test says anything.
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "tests/testing/command.h"
#include "waggle/owned_fd.h"

namespace waggle::test {

inline void require(bool good, const std::string& what) {
    if (good) return;
    std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
    std::abort();
}

class Netns {
  public:
    // A new namespace with its loopback device up.
    Netns() {
        std::thread([this] {
            require(::unshare(CLONE_NEWNET) == 0, "unshare network namespace");
            // Not close-on-exec: `ip link … netns` is given it by number.
            fd_ = OwnedFd(::open("/proc/thread-self/ns/net", O_RDONLY));
        }).join();
        require(static_cast<bool>(fd_), "open network namespace");
        run("ip link set lo up");
    }

    int fd() const { return fd_.get(); }
    // As `ip link … netns NAME` takes it, from a command started by run().
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }
    std::uint32_t inode() const {
        struct stat status{};
        require(::fstat(fd_.get(), &status) == 0, "stat network namespace");
        return static_cast<std::uint32_t>(status.st_ino);
    }

    // Runs a shell command in the namespace; it must succeed. Returns its output.
    std::string run(const std::string& command) const;
    // One of the kernel's own counters, since the namespace began: "UdpNoPorts".
    std::uint64_t counter(const std::string& name) const {
        const std::string table = run("nstat -asz " + name);
        const std::size_t at = table.find(name);
        return at == std::string::npos ? 0 : std::stoull(table.substr(at + name.size()));
    }

  private:
    OwnedFd fd_;
};

// The calling thread is in the namespace while this lives. Sockets made meanwhile stay there.
class Inside {
  public:
    explicit Inside(const Netns& netns) : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        require(::setns(netns.fd(), CLONE_NEWNET) == 0, "enter network namespace");
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { require(::setns(before_.get(), CLONE_NEWNET) == 0, "leave network namespace"); }

  private:
    OwnedFd before_;
};

inline std::string Netns::run(const std::string& command) const {
    const Inside inside(*this);
    const Outcome outcome = outcome_of("{ " + command + "; } 2>&1");
    errno = 0;
    require(outcome.code == 0, command + "\n" + outcome.text);
    return outcome.text;
}

inline OwnedFd socket_in(const Netns& netns, int family, int type) {
    const Inside inside(netns);
    OwnedFd fd(::socket(family, type | SOCK_CLOEXEC, 0));
    require(static_cast<bool>(fd), "socket");
    return fd;
}

}  // namespace waggle::test
