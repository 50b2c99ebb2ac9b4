// SPDX-License-Identifier: Apache-2.0
// ListenerMemory: who listened where, from one read of the sockets to the next, so that a port nobody listens
// on any more still has a name.
//
// Holds at most `most` listeners; those gone for the longest leave first. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "facts/sockets/socket_dump.h"
#include "facts/sockets/socket_owners.h"

namespace waggle::facts {

struct Listener {
    std::uint32_t netns = 0;
    std::string protocol;
    waggle_address address{};
    std::uint16_t port = 0;
    std::string interface;  // bound to it; empty where to none
    bool v6_only = false;
    Owner owner;
    std::uint64_t last_seen_ns = 0;
};

class ListenerMemory {
  public:
    static constexpr std::size_t most = 4096;

    explicit ListenerMemory(const Clock& clock) : clock_(&clock) {}

    // A read of all sockets: begin(), saw() for each listener, end(). What end() has not been told of is
    // gone; `complete` false: nothing is taken for gone.
    void begin() { now_ns_ = clock_->monotonic_ns(); }
    void saw(std::uint32_t netns, const SocketState& socket, std::string_view interface, const Owner& owner);
    void end(bool complete);

    // Null where the socket was not seen before.
    const Owner* owner_of(std::uint64_t cookie) const;
    // Gone, and no other socket listens at the same place (address, port, device) now; oldest first.
    std::vector<const Listener*> gone() const;

  private:
    const Clock* clock_;
    std::uint64_t now_ns_ = 0;
    std::uint64_t complete_ns_ = 0;                // when the last complete read began
    std::map<std::uint64_t, Listener> by_cookie_;  // cookies grow with time
};

}  // namespace waggle::facts
