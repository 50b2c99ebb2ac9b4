// SPDX-License-Identifier: Apache-2.0
// CgroupPaths: the path of a control group by its number, as events carry it (cgroup v2: the inode of the
// group's directory). Kept after the group has gone.
//
// Reads the tree on the first question, and again for a number it does not know, at most once a second. Not
// thread-safe. Source: the mounted cgroup2 file system.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/clock.h"
#include "host/cgroup.h"

namespace waggle::context {

class CgroupPaths {
  public:
    // `root` is /sys/fs/cgroup: the v2 tree itself, or with v2 below it in `unified` (hybrid), or without v2.
    // `clock` outlives this object.
    CgroupPaths(const std::string& root, const Clock& clock);

    // Whether v2 is the machine's only hierarchy, so that a number says everything.
    bool unified() const { return unified_; }

    // Null where the number is unknown or 0. Valid until the next call.
    const CgroupIdentity* find(std::uint64_t id);

  private:
    void scan();

    static constexpr std::uint64_t rescan_after_ns = 1'000'000'000;
    static constexpr std::size_t most = 65'536;  // numbers kept; then the past is forgotten

    const Clock* clock_;
    std::string tree_;  // empty without v2
    bool unified_ = false;
    bool scanned_ = false;
    std::uint64_t scanned_at_ns_ = 0;
    std::unordered_map<std::uint64_t, CgroupIdentity> known_;
    std::unordered_set<std::uint64_t> gone_;  // asked for, and not there when looked: numbers are not reused
};

}  // namespace waggle::context
