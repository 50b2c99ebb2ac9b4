// SPDX-License-Identifier: Apache-2.0
#include "waggle/ring.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

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
    ring.records_.reserve(batch);
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

bool Ring::empty() const {
    const auto* producer = reinterpret_cast<const std::atomic<unsigned long>*>(producer_page_);
    return consumer_->load(std::memory_order_relaxed) >= producer->load(std::memory_order_acquire);
}

std::size_t Ring::waiting_bytes() const {
    const auto* producer = reinterpret_cast<const std::atomic<unsigned long>*>(producer_page_);
    return producer->load(std::memory_order_acquire) - consumer_->load(std::memory_order_relaxed);
}

std::uint64_t Ring::drain(const RecordSink& sink, std::size_t most_bytes) {
    const auto* producer = reinterpret_cast<const std::atomic<unsigned long>*>(producer_page_);
    unsigned long position = consumer_->load(std::memory_order_relaxed);
    const unsigned long begin = position;
    std::uint64_t total = 0;
    for (bool busy = false; !busy && position - begin < most_bytes;) {
        const unsigned long end = producer->load(std::memory_order_acquire);
        if (position >= end) break;
        records_.clear();
        while (position < end && records_.size() < batch && position - begin < most_bytes) {
            const std::byte* header = data_ + (position & mask_);
            const std::uint32_t length =
                reinterpret_cast<const std::atomic<std::uint32_t>*>(header)->load(std::memory_order_acquire);
            if (length & BPF_RINGBUF_BUSY_BIT) {
                busy = true;  // reserved and still being filled: what follows must wait for it
                break;
            }
            const std::uint32_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
            if (!(length & BPF_RINGBUF_DISCARD_BIT)) records_.emplace_back(header + BPF_RINGBUF_HDR_SZ, size);
            position += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
        }
        if (!records_.empty()) sink(records_);
        total += records_.size();
        consumer_->store(position, std::memory_order_release);
    }
    return total;
}

}  // namespace waggle
