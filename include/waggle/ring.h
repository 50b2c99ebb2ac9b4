// SPDX-License-Identifier: Apache-2.0
// Ring: the reader of a BPF ring buffer. Hands out records in batches, in place: no copy, no call per record.
//
// One reader thread. The record's bytes live until the sink returns. Source: the layout of
// BPF_MAP_TYPE_RINGBUF (a consumer page, a producer page, the data mapped twice in a row), stable since 5.8.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle {

// Reads one ring buffer; see the head of this file.
class Ring {
  public:
    // `map_fd` stays the caller's and outlives the ring.
    static Result<Ring> open(int map_fd);

    Ring(Ring&&) noexcept;
    Ring& operator=(Ring&&) = delete;
    ~Ring();

    // Readable, for epoll, when a record was submitted with a wake-up.
    int ready_fd() const { return map_fd_; }
    // Whether nothing was submitted that drain() has not handed out.
    bool empty() const;

    // Everything submitted so far, at most `batch` records a call of the sink. Returns how many. Stops behind
    // the record that makes it `most_bytes` of the ring; the rest stays for the next call.
    std::uint64_t drain(const RecordSink& sink, std::size_t most_bytes = SIZE_MAX);
    // How far programs have reserved: bytes since the ring was made, headers included.
    std::uint64_t reserved_bytes() const;
    // How far drain() has come. A record that is still being filled holds back those behind it.
    std::uint64_t drained_bytes() const;
    // What is submitted or reserved and not drained.
    std::size_t waiting_bytes() const { return reserved_bytes() - drained_bytes(); }
    // What there is room for, headers included. Bytes.
    std::size_t capacity_bytes() const { return static_cast<std::size_t>(mask_ + 1); }

  private:
    Ring() = default;
    static constexpr std::size_t batch = 256;

    int map_fd_ = -1;
    std::size_t page_ = 0;
    std::uint64_t mask_ = 0;
    std::atomic<unsigned long>* consumer_ = nullptr;
    const std::byte* producer_page_ = nullptr;
    const std::byte* data_ = nullptr;
    std::vector<Bytes> records_;
};

}  // namespace waggle
