// SPDX-License-Identifier: Apache-2.0
// Netlink: the kernel's message channel for network facts. A socket belongs to the network namespace it was
// opened in.
//
// Not thread-safe. Source: netlink(7).
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle::facts {

// A message's body, or an attribute's.
struct NetlinkMessage {
    std::uint16_t type = 0;
    Bytes body;
};

// Calls `visit(type, body)` for each attribute in `attributes`; stops at the first that does not fit.
void each_attribute(Bytes attributes, const std::function<void(std::uint16_t, Bytes)>& visit);

class Netlink {
  public:
    static Result<Netlink> open(int protocol);  // NETLINK_SOCK_DIAG, NETLINK_ROUTE …

    // Asks for everything of one kind (NLM_F_DUMP) and hands out each answer; the bytes live until `visit`
    // returns. The error's message is the system's reason.
    Result<void> dump(std::uint16_t type, Bytes request,
                      const std::function<void(const NetlinkMessage&)>& visit);

    // Asks for one thing: one answer, or the error.
    Result<void> ask(std::uint16_t type, Bytes request,
                     const std::function<void(const NetlinkMessage&)>& visit);

  private:
    Result<void> send(std::uint16_t type, std::uint16_t flags, Bytes request);
    // Hands out what is received until the kernel says that it was all, or the first alone.
    Result<void> receive(bool one, const std::function<void(const NetlinkMessage&)>& visit);

    OwnedFd fd_;
    std::uint32_t sequence_ = 0;
    std::vector<std::uint64_t> buffer_;  // u64: keeps messages aligned
};

}  // namespace waggle::facts
