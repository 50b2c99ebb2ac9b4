// SPDX-License-Identifier: Apache-2.0
// PerfBuffer: the reader of a perf event array (bpf_perf_event_output), one buffer for each CPU. Hands out
// records in batches, as Ring does: in place, but for the record that lies across the buffer's end.
//
// Its records come padded: the kernel rounds a record up to 8 n + 4 bytes and tells only that length. Records
// of one CPU keep their order, those of several do not. A new program does better with a ring buffer.
//
// One reader thread. The record's bytes live until the sink returns.
// Source: the layout of a perf event's mapping (struct perf_event_mmap_page); kernel >= 4.4. Needs
// CAP_PERFMON.
#pragma once

#include <cstdint>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/coverage.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle {

// The reader of one perf event array. See the head of this file.
class PerfBuffer {
  public:
    // Puts a perf event of its own into every slot of the map that has an online CPU; they leave with the
    // buffer. `pages` of memory a CPU, a power of two. `map_fd` stays the caller's and outlives the buffer.
    static Result<PerfBuffer> open(int map_fd, std::uint32_t pages = 64);

    PerfBuffer(PerfBuffer&&) noexcept = default;
    PerfBuffer& operator=(PerfBuffer&&) = delete;
    ~PerfBuffer();

    // Readable, for epoll, when any CPU has a record.
    int ready_fd() const { return epoll_.get(); }

    // Everything submitted so far, or until `most_bytes` of the buffers are read. Returns how many records.
    std::uint64_t drain(const RecordSink& sink, std::size_t most_bytes = SIZE_MAX);
    // Records the kernel found no room for, as told with the records that came after.
    std::uint64_t lost() const { return lost_; }
    // Of the fullest CPU's buffer. Bytes.
    std::size_t waiting_bytes() const;
    // Of one CPU's buffer. Bytes.
    std::size_t capacity_bytes() const { return data_size_; }

  private:
    PerfBuffer() = default;
    static constexpr std::size_t batch = 256;
    struct Cpu {
        Cpu(int cpu, OwnedFd fd, void* at, std::size_t bytes)
            : number(cpu), event(std::move(fd)), mapping(at), size(bytes) {}
        Cpu(Cpu&& other) noexcept;
        Cpu& operator=(Cpu&&) = delete;
        ~Cpu();

        int number;
        OwnedFd event;
        void* mapping;
        std::size_t size;
    };
    std::uint64_t drain_cpu(const Cpu& cpu, const RecordSink& sink, std::size_t& left);

    int map_fd_ = -1;
    OwnedFd epoll_;
    std::size_t page_ = 0;
    std::size_t data_size_ = 0;
    std::uint64_t lost_ = 0;
    std::vector<Cpu> cpus_;
    std::vector<Bytes> records_;
    std::vector<std::byte> wrapped_;
};

}  // namespace waggle
