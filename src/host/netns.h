// SPDX-License-Identifier: Apache-2.0
// Network namespaces: every network stack of this machine, and how to read inside each.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/roots.h"
#include "waggle/result.h"

namespace waggle::facts {

struct NetworkNamespace {
    std::uint32_t inode = 0;  // its number, as events carry it
    std::string path;         // opens it: /proc/812/ns/net
    bool own = false;         // the one the reader is in
    std::uint32_t pid = 0;    // the lowest of the processes in it; 0 where none is
    std::uint32_t processes = 0;
    std::string name;  // as `ip netns` lists it; empty where it has none
};

// Those that a process is in or that /run/netns names; the reader's own first, then by number.
std::vector<NetworkNamespace> network_namespaces(const Roots& roots);

using NamespaceVisit = std::function<Result<void>(const NetworkNamespace&)>;

// The network namespaces as one moment of asking finds them: listed once, when they are first needed, so that all
// that is read in the moment agrees on which there are. Nothing of a namespace is held between two visits: one that
// has ended is let go at once, and its devices with it.
//
// Not thread-safe.
class NamespaceTour {
  public:
    // Takes the thread that calls it into a namespace; false where that has ended since it was listed.
    using Entry = std::function<Result<bool>(const NetworkNamespace&)>;
    static Result<bool> enter(const NetworkNamespace& netns);

    explicit NamespaceTour(Roots roots = {}, Entry entry = enter);

    void begin_moment() { all_.reset(); }
    const std::vector<NetworkNamespace>& namespaces();

    // Calls `visit` once in each, one after the other: for the reader's own on this thread, for the others on a
    // short-lived thread that has entered it (CAP_SYS_ADMIN), so the caller's thread never changes. One that cannot be
    // entered is told to `missed`; one that has ended since it was listed is passed over.
    void visit_each(const std::function<void(const NetworkNamespace&)>& visit,
                    const std::function<void(const Error&)>& missed);

  private:
    Roots roots_;
    Entry enter_;
    std::optional<std::vector<NetworkNamespace>> all_;
};

// The same for one reader, now. The error names the first namespace that could not be read; the others have been.
Result<void> in_each_network_namespace(const Roots& roots, const NamespaceVisit& visit);

}  // namespace waggle::facts
