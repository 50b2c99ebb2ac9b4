// SPDX-License-Identifier: Apache-2.0
#include "waggle/ring.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace waggle {

Result<Ring> Ring::open(int map_fd) {
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(map_fd, &info, &length) != 0)
        return Error{fmt::format("cannot read the ring's description: {}", std::strerror(errno))};
    if (info.type != BPF_MAP_TYPE_RINGBUF)
        return Error{fmt::format("map {} is not a ring buffer", info.name)};
    Ring ring;
    ring.map_fd_ = map_fd;
    ring.page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    ring.mask_ = info.max_entries - 1;
    void* consumer = ::mmap(nullptr, ring.page_, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
    if (consumer == MAP_FAILED) return Error{fmt::format("cannot map the ring: {}", std::strerror(errno))};
    ring.consumer_ = static_cast<std::atomic<unsigned long>*>(consumer);
    void* producer = ::mmap(nullptr, ring.page_ + 2 * std::size_t{info.max_entries}, PROT_READ, MAP_SHARED,
                            map_fd, static_cast<off_t>(ring.page_));
    if (producer == MAP_FAILED) return Error{fmt::format("cannot map the ring: {}", std::strerror(errno))};
    ring.producer_page_ = static_cast<const std::byte*>(producer);
    ring.data_ = ring.producer_page_ + ring.page_;
    ring.records_.resize(batch);
    return ring;
}

Ring::Ring(Ring&& other) noexcept
    : map_fd_(std::exchange(other.map_fd_, -1)),
      page_(other.page_),
      mask_(other.mask_),
      consumer_(std::exchange(other.consumer_, nullptr)),
      producer_page_(std::exchange(other.producer_page_, nullptr)),
      data_(other.data_),
      records_(std::move(other.records_)) {}

Ring::~Ring() {
    if (consumer_) ::munmap(static_cast<void*>(consumer_), page_);
    if (producer_page_)
        ::munmap(const_cast<std::byte*>(producer_page_), page_ + 2 * static_cast<std::size_t>(mask_ + 1));
}

bool Ring::empty() const { return drained_bytes() >= reserved_bytes(); }

std::uint64_t Ring::reserved_bytes() const {
    const auto* producer = reinterpret_cast<const std::atomic<unsigned long>*>(producer_page_);
    return producer->load(std::memory_order_acquire);
}

std::uint64_t Ring::drained_bytes() const { return consumer_->load(std::memory_order_relaxed); }

std::uint64_t Ring::drain(const RecordSink& sink, std::size_t most_bytes) {
    const auto* producer = reinterpret_cast<const std::atomic<unsigned long>*>(producer_page_);
    const unsigned long begin = consumer_->load(std::memory_order_relaxed);
    const unsigned long last = most_bytes > ~0ul - begin ? ~0ul : begin + most_bytes;
    // Kept in registers: the stores below could be to members, for all the compiler knows.
    const std::byte* const data = data_;
    const std::uint64_t mask = mask_;
    Bytes* const records = records_.data();
    unsigned long position = begin;
    std::uint64_t total = 0, step = BPF_RINGBUF_HDR_SZ;
    std::uint32_t size_before = 0;
    for (bool busy = false; !busy;) {
        const unsigned long end = std::min(producer->load(std::memory_order_acquire), last);
        if (position >= end) break;
        std::size_t count = 0;
        while (position < end && count < batch) {
            const std::byte* header = data + (position & mask);
            const std::uint32_t length =
                reinterpret_cast<const std::atomic<std::uint32_t>*>(header)->load(std::memory_order_acquire);
            std::uint32_t size = length;
            if (length & (BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)) [[unlikely]] {
                if (length & BPF_RINGBUF_BUSY_BIT) {
                    busy = true;  // reserved and still being filled: what follows must wait for it
                    break;
                }
                size = length & ~BPF_RINGBUF_DISCARD_BIT;
            } else {
                records[count++] = Bytes(header + BPF_RINGBUF_HDR_SZ, size);
            }
            // Records mostly are as long as the one before. Asked as a branch, the processor guesses so and
            // reads the next header before this one's length has come; as arithmetic it waits for each
            // (measured: 7.2 ns a record against 3.6).
            if (size != size_before) [[unlikely]] {
                size_before = size;
                step = (std::uint64_t{size} + BPF_RINGBUF_HDR_SZ + 7) & ~7ull;
                asm volatile("" : "+r"(step));  // or the compiler makes arithmetic of it again
            }
            position += step;
        }
        if (count > 0) sink(std::span<const Bytes>(records, count));
        total += count;
        consumer_->store(position, std::memory_order_release);
    }
    return total;
}

}  // namespace waggle
