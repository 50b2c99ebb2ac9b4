// SPDX-License-Identifier: Apache-2.0
// For kernel tests: a child process in a network namespace of its own, with the loopback interface up. It and
// its namespace end with this object.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "base/put.h"

namespace waggle::facts {

class NetnsProcess {
  public:
    // `work` runs in the child; what it opens stays open while this object lives. It gives 0 when all is
    // well.
    explicit NetnsProcess(const std::function<int()>& work) {
        int ready[2];
        EXPECT_EQ(::pipe(ready), 0);
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::prctl(PR_SET_NAME, "netns-child");
            int status = ::unshare(CLONE_NEWNET);
            if (status == 0) status = std::system("ip link set lo up");
            if (status == 0) status = work();
            char said = status == 0 ? 'y' : 'n';
            if (::write(ready[1], &said, 1) == 1) ::pause();
            ::_exit(1);
        }
        ::close(ready[1]);
        char said = 0;
        EXPECT_EQ(::read(ready[0], &said, 1), 1);
        EXPECT_EQ(said, 'y') << "the child could not set up its namespace";
        ::close(ready[0]);
        char link[64] = "";
        EXPECT_GT(::readlink(path("ns/net").c_str(), link, sizeof link - 1), 0);
        inode_ = number_of<std::uint32_t>(std::string_view(link).substr(5));
    }
    ~NetnsProcess() { end(); }
    NetnsProcess(const NetnsProcess&) = delete;
    NetnsProcess& operator=(const NetnsProcess&) = delete;

    void end() {
        if (child_ <= 0) return;
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
        child_ = 0;
    }

    std::string pid() const { return std::to_string(child_); }
    std::string inode() const { return std::to_string(inode_); }
    std::uint32_t netns() const { return inode_; }
    std::string path(const std::string& name) const { return "/proc/" + pid() + "/" + name; }

    // What a command says when run inside the namespace.
    std::string output(const std::string& command) const {
        std::string text;
        FILE* pipe = ::popen(("nsenter --net=" + path("ns/net") + " " + command + " 2>&1").c_str(), "r");
        char buffer[4096];
        for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
            text.append(buffer, got);
        ::pclose(pipe);
        return text;
    }

  private:
    pid_t child_ = 0;
    std::uint32_t inode_ = 0;
};

inline sockaddr_in loopback_address(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// To 127.0.0.1 in the caller's namespace, each with `bytes` of payload.
inline void send_udp(std::uint16_t port, int packets, std::size_t bytes) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback_address(port);
    const std::string payload(bytes, 'x');
    for (int i = 0; i < packets; ++i)
        ::sendto(fd, payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                 sizeof address);
    ::close(fd);
}

}  // namespace waggle::facts
