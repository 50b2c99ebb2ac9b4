// SPDX-License-Identifier: Apache-2.0
// Snapshot: reads a hash map whose values are whole records (they start with waggle_event) with growing
// counters, and hands out each record with its counters reduced to what was added since the last read.
// Records without change are left out, unless the options keep them.
//
// One reader thread. Source: BPF_MAP_LOOKUP_BATCH where the kernel has it (5.6), else key by key.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/result.h"

namespace waggle::kernel {

class Snapshot {
  public:
    // A growing __u64 inside the value, or a run of them, or a run of growing __u32 (a histogram's slots). A
    // counter below its last value belongs to an entry that was deleted and made again; a __u32 alone, beside
    // __u64 that did not fall, wrapped round.
    struct Counter {
        std::uint32_t offset;
        std::uint32_t count = 1;
        std::uint32_t bytes = 8;  // of each: 8 or 4
    };
    struct Options {
        // Entries that stood still for so many reads are deleted from the map (0 = never), so that it does
        // not fill with the past.
        std::uint32_t forget_after = 0;
        // Hand out a record at every read, so that what stands still is seen to stand still.
        bool keep_unchanged = false;
        // Sees each record before its counters are reduced: adds what the kernel side could not count yet
        // (time that runs). Counters must still only grow.
        std::function<void(std::byte* record)> adjust;
    };
    // `map_fd` stays the caller's and outlives the snapshot. A per-CPU map is an error: its values have no
    // one record.
    static Result<Snapshot> open(int map_fd, std::vector<Counter> counters, Options options);

    std::uint64_t read(const RecordSink& sink);

  private:
    Snapshot() = default;
    struct Seen {
        std::vector<std::byte> counters;  // as they stood in the value, one after the other
        std::uint32_t idle = 0;
    };
    bool reduce(std::string_view key, std::byte* value);
    void subtract(const std::byte* before, std::byte* value) const;
    bool is_anew(const std::byte* before, const std::byte* value) const;
    std::uint64_t fetch();

    int map_fd_ = -1;
    std::uint32_t key_size_ = 0;
    std::uint32_t value_size_ = 0;
    std::uint32_t max_entries_ = 0;
    Options options_;
    std::vector<Counter> counters_;
    std::size_t counter_bytes_ = 0;  // of all counters of a value
    std::vector<std::byte> keys_;
    std::vector<std::uint64_t> values_;  // u64: keeps records 8-byte aligned
    std::unordered_map<std::string, Seen> seen_;
};

}  // namespace waggle::kernel
