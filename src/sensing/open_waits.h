// SPDX-License-Identifier: Apache-2.0
// OpenWaits: adds the waits that still go on to a sum of those that ended, so that the sum grows while somebody waits and
// never takes a step back.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

namespace waggle::sensors {

// Key: which sum. Not thread-safe.
template <class Key>
class OpenWaits {
  public:
    struct Whole {
        std::uint32_t waiting = 0;     // how many wait now
        std::uint64_t longest_ns = 0;  // for how long the one of these that began first
        std::uint64_t wait_ns = 0;     // the sum, of all that ended and that go on
        std::uint64_t added_ns = 0;    // of that, since the snapshot before
    };

    // A snapshot begins; then add() what goes on.
    void begin() { open_.clear(); }
    void add(const Key& key, std::uint64_t ns) {
        Open& open = open_[key];
        ++open.waiting;
        open.ns += ns;
        open.longest_ns = std::max(open.longest_ns, ns);
    }
    // `waits` ended so far, which took `ended_ns`.
    Whole complete(const Key& key, std::uint64_t waits, std::uint64_t ended_ns) {
        const auto before = known_.find(key);
        Known known = before == known_.end() ? Known{} : before->second;
        if (waits < known.waits) known.wait_ns = 0;  // made anew
        const auto found = open_.find(key);
        const Open open = found == open_.end() ? Open{} : found->second;
        // A wait that ended between add() and this is in both; the sum stands still until that is made up for.
        const std::uint64_t wait_ns = std::max(ended_ns + open.ns, known.wait_ns);
        next_.insert_or_assign(key, Known{waits, wait_ns});
        return {open.waiting, open.longest_ns, wait_ns, wait_ns - known.wait_ns};
    }
    // The snapshot is over; what it did not ask for is forgotten.
    void end() {
        known_ = std::move(next_);
        next_.clear();
    }

  private:
    struct Open {
        std::uint32_t waiting = 0;
        std::uint64_t ns = 0;
        std::uint64_t longest_ns = 0;
    };
    struct Known {
        std::uint64_t waits = 0;
        std::uint64_t wait_ns = 0;
    };
    std::map<Key, Open> open_;    // of this snapshot
    std::map<Key, Known> known_;  // as the last one told it
    std::map<Key, Known> next_;
};

}  // namespace waggle::sensors
