// SPDX-License-Identifier: Apache-2.0
// A name server of a test's own, on loopback of a network namespace. Header only.
#pragma once

#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "tests/testing/netns.h"
#include "tests/testing/socket_address.h"

namespace waggle::test {

// Answers by the name: slow... after 200 ms, missing... with NXDOMAIN, broken... with SERVFAIL, silent... never, any other with an
// address of version 4.
class NameServer {
  public:
    explicit NameServer(const Netns& where) : socket_(socket_in(where, AF_INET, SOCK_DGRAM)) {
        socklen_t length = 0;
        const sockaddr_storage at = address("127.0.0.1", 53, length);
        require(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&at), length) == 0, "bind");
        thread_ = std::thread([this] {
            while (!done_) serve();
        });
    }
    NameServer(const NameServer&) = delete;
    NameServer& operator=(const NameServer&) = delete;
    ~NameServer() {
        done_ = true;
        thread_.join();
    }
    int silent() const { return silent_; }

  private:
    void serve() {
        pollfd wait{socket_.get(), POLLIN, 0};
        if (::poll(&wait, 1, 50) != 1) return;
        std::string message(1000, '\0');
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        const ssize_t got = ::recvfrom(socket_.get(), message.data(), message.size(), 0,
                                       reinterpret_cast<sockaddr*>(&from), &length);
        if (got < 17) return;
        message.resize(static_cast<std::size_t>(got));
        const std::string name = message.substr(13, static_cast<std::size_t>(message[12]));
        if (name.starts_with("silent")) {
            ++silent_;
            return;
        }
        if (name.starts_with("slow")) std::this_thread::sleep_for(std::chrono::milliseconds(200));
        const int code = name.starts_with("missing") ? 3 : name.starts_with("broken") ? 2 : 0;
        const bool is_a = message[message.size() - 3] == 1;
        message[2] = static_cast<char>(0x81);
        message[3] = static_cast<char>(0x80 | code);
        if (code == 0 && is_a) {
            message[7] = 1;
            message += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7", 16);
        }
        ::sendto(socket_.get(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&from),
                 length);
    }

    OwnedFd socket_;
    std::atomic<bool> done_{false};
    std::atomic<int> silent_{0};
    std::thread thread_;
};

}  // namespace waggle::test
