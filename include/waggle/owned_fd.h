// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <utility>

namespace waggle {

// A file descriptor that is closed with its owner. -1 means none.
class OwnedFd {
  public:
    OwnedFd() = default;
    // Takes `fd` over.
    explicit OwnedFd(int fd) : fd_(fd) {}
    // The other has none afterwards.
    OwnedFd(OwnedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    // Closes what it had; the other has none afterwards.
    OwnedFd& operator=(OwnedFd&& other) noexcept {
        if (this != &other) {
            reset();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~OwnedFd() { reset(); }

    // The descriptor, still owned here.
    int get() const { return fd_; }
    // Whether there is one.
    explicit operator bool() const { return fd_ >= 0; }
    // Gives the descriptor away: the caller closes it.
    int release() { return std::exchange(fd_, -1); }
    // Closes it now.
    void reset() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

  private:
    int fd_ = -1;
};

}  // namespace waggle
