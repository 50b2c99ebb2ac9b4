// SPDX-License-Identifier: Apache-2.0
// Which of a device's queueing disciplines dropped what it was to send, by their own counters.
//
// A discipline that holds others counts what they drop too, so each is held against what is left of its counter
// when theirs are taken off. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace waggle::agent {

// One row of qdiscs. Those that the kernel made for a class, or inside another one, have no handle of their own:
// it is "0:".
struct Qdisc {
    std::string kind, handle, parent;
    std::int64_t drops = 0;  // in the window
};

struct DroppingQueue {
    std::string kind;
    std::string handle;  // empty: it has none of its own
    std::string parent;
    std::string class_name;                // "1:20", where it is the queue of a class
    std::string class_kind, class_handle;  // the discipline whose class that is: "htb", "1:"
    std::int64_t counted = 0;              // by itself
    enum class Why {
        full,       // it dropped because nothing more had room
        oversized,  // tbf: the packet is larger than its burst
        itself,     // it holds others, and they did not drop them
        other,      // red, codel, netem ... drop by rules of their own too
    } why = Why::other;
};

// Those that dropped the group's `packets`, most first; none where no counters fit them. The rest counted less
// than a tenth together.
std::vector<DroppingQueue> dropping_queues(const std::vector<Qdisc>& qdiscs, std::int64_t packets,
                                           std::string_view reason);

}  // namespace waggle::agent
