// SPDX-License-Identifier: Apache-2.0
// JoinedNamespaces: which network namespaces devices join (pairs like veth, and what stands on a device of another
// namespace, like macvlan), so that packets can pass from one to the other within this machine. An address says
// which socket or host is meant only within namespaces that are joined: others can have the same addresses.
//
// Not thread-safe. Source: IFLA_LINK_NETNSID, RTM_GETNSID; network_namespaces(7).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "host/netns.h"
#include "waggle/result.h"

namespace waggle::facts {

class JoinedNamespaces {
  public:
    void begin(std::span<const NetworkNamespace> all, const std::string& proc_root);
    // Reads the devices of the namespace that this thread is in.
    Result<void> read_in(const NetworkNamespace& netns);

    // The lowest number of those that are joined with it, directly or by others between, itself among them; 0 for one
    // that was not read. One that neither a process is in nor a name leads to is not seen, and joins nothing.
    std::uint32_t group(std::uint32_t inode) const;

  private:
    struct Other {
        std::uint32_t inode = 0;
        std::string path;
    };
    std::uint32_t first_of(std::uint32_t inode) const;
    void join(std::uint32_t one, std::uint32_t other);

    std::vector<Other> all_;
    std::map<std::uint32_t, std::uint32_t>
        towards_first_;  // each to a lower one of its group, the lowest to itself
};

}  // namespace waggle::facts
