// SPDX-License-Identifier: Apache-2.0
// What the facts sockets, past_listeners and socket_owners share: who listened when it was last looked, and
// the way to find owners.
#pragma once

#include "facts/sockets/listener_memory.h"
#include "facts/sockets/socket_owners.h"

namespace waggle::facts {

class SocketReading {
  public:
    explicit SocketReading(const Clock& clock) : memory(clock) {}
    ListenerMemory memory;
    bool all_are_read = false;  // by the fact sockets, on the tour that has begun
    SocketOwners owners;
};

}  // namespace waggle::facts
