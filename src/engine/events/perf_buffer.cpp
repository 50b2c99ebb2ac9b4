// SPDX-License-Identifier: Apache-2.0
#include "waggle/perf_buffer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>

#include "waggle/map.h"

namespace waggle {
namespace {

struct LostRecord {
    perf_event_header header;
    std::uint64_t id;
    std::uint64_t lost;
};

std::uint64_t head_of(void* mapping) {
    const auto* page = static_cast<perf_event_mmap_page*>(mapping);
    return std::atomic_ref(const_cast<__u64&>(page->data_head)).load(std::memory_order_acquire);
}

}  // namespace

PerfBuffer::Cpu::Cpu(Cpu&& other) noexcept
    : number(other.number),
      event(std::move(other.event)),
      mapping(std::exchange(other.mapping, nullptr)),
      size(other.size) {}

PerfBuffer::Cpu::~Cpu() {
    if (mapping) ::munmap(mapping, size);
}

PerfBuffer::~PerfBuffer() {
    for (const Cpu& cpu : cpus_) bpf_map_delete_elem(map_fd_, &cpu.number);
}

Result<PerfBuffer> PerfBuffer::open(int map_fd, std::uint32_t pages) {
    const Result<MapView> map = MapView::open(map_fd);
    if (!map) return map.error();
    if (map->shape().kind != MapKind::perf_event_array)
        return Error{fmt::format("map {} is a {}, not a perf event array", map->shape().name,
                                 map_kind_name(map->shape().kind)),
                     ErrorKind::unsupported};
    if (!std::has_single_bit(pages))
        return Error{fmt::format("a perf buffer has 1, 2, 4, 8 … pages a CPU, not {}", pages),
                     ErrorKind::usage};
    PerfBuffer buffer;
    buffer.map_fd_ = map_fd;
    buffer.page_ = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    buffer.data_size_ = buffer.page_ * pages;
    buffer.epoll_ = OwnedFd(::epoll_create1(EPOLL_CLOEXEC));
    const int possible = libbpf_num_possible_cpus();
    if (!buffer.epoll_ || possible < 1)
        return Error{"cannot make a perf buffer: no descriptor or no CPU is to be had"};
    perf_event_attr attributes{};
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
    attributes.sample_type = PERF_SAMPLE_RAW;
    attributes.sample_period = 1;
    attributes.wakeup_events = 1;
    for (int cpu = 0; cpu < possible && static_cast<std::uint32_t>(cpu) < map->shape().max_entries; ++cpu) {
        OwnedFd event(
            static_cast<int>(::syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC)));
        if (!event) {
            if (errno == ENODEV) continue;  // a CPU that is possible and not online
            return Error{fmt::format("cannot make a perf buffer for CPU {}: {}", cpu, std::strerror(errno)),
                         errno == EPERM || errno == EACCES ? ErrorKind::privilege : ErrorKind::failed};
        }
        const std::size_t size = buffer.page_ + buffer.data_size_;
        void* mapping = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, event.get(), 0);
        if (mapping == MAP_FAILED)
            return Error{fmt::format("cannot map {} pages for CPU {}: {}", pages, cpu, std::strerror(errno))};
        const Cpu& made = buffer.cpus_.emplace_back(cpu, std::move(event), mapping, size);
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        const int fd = made.event.get();
        if (bpf_map_update_elem(map_fd, &cpu, &fd, BPF_ANY) != 0 ||
            ::ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) != 0 ||
            ::epoll_ctl(buffer.epoll_.get(), EPOLL_CTL_ADD, fd, &wanted) != 0)
            return Error{fmt::format("cannot put CPU {} into map {}: {}", cpu, map->shape().name,
                                     std::strerror(errno))};
    }
    buffer.records_.reserve(batch);
    return buffer;
}

std::size_t PerfBuffer::waiting_bytes() const {
    std::size_t most = 0;
    for (const Cpu& cpu : cpus_)
        most = std::max<std::size_t>(
            most, head_of(cpu.mapping) - static_cast<const perf_event_mmap_page*>(cpu.mapping)->data_tail);
    return most;
}

std::uint64_t PerfBuffer::drain(const RecordSink& sink, std::size_t most_bytes) {
    std::uint64_t total = 0;
    for (const Cpu& cpu : cpus_)
        if (most_bytes > 0) total += drain_cpu(cpu, sink, most_bytes);
    return total;
}

std::uint64_t PerfBuffer::drain_cpu(const Cpu& cpu, const RecordSink& sink, std::size_t& left) {
    auto* page = static_cast<perf_event_mmap_page*>(cpu.mapping);
    const std::byte* data = static_cast<const std::byte*>(cpu.mapping) + page_;
    const auto copy = [&](std::uint64_t from, void* to, std::size_t size) {
        const std::size_t at = from % data_size_, first = std::min(size, data_size_ - at);
        std::memcpy(to, data + at, first);
        std::memcpy(static_cast<std::byte*>(to) + first, data, size - first);
    };
    std::uint64_t total = 0, position = page->data_tail;
    const std::uint64_t end = head_of(cpu.mapping);
    while (position < end && left > 0) {
        records_.clear();
        // One record a batch can lie across the end: the buffer is passed once.
        while (position < end && left > 0 && records_.size() < batch) {
            perf_event_header header{};
            copy(position, &header, sizeof header);
            if (header.size < sizeof header) return total;  // the kernel writes none such
            if (header.type == PERF_RECORD_SAMPLE) {
                std::uint32_t size = 0;
                copy(position + sizeof header, &size, sizeof size);
                const std::uint64_t from = position + sizeof header + sizeof size;
                if (const std::size_t most = header.size - sizeof header - sizeof size; size > most)
                    size = static_cast<std::uint32_t>(most);
                const std::size_t at = from % data_size_;
                if (at + size <= data_size_) {
                    records_.emplace_back(data + at, size);
                } else {
                    wrapped_.resize(size);
                    copy(from, wrapped_.data(), size);
                    records_.emplace_back(wrapped_);
                }
            } else if (header.type == PERF_RECORD_LOST) {
                LostRecord lost{};
                copy(position, &lost, sizeof lost);
                lost_ += lost.lost;
            }
            position += header.size;
            left -= std::min<std::size_t>(left, header.size);
        }
        if (!records_.empty()) sink(records_);
        total += records_.size();
        std::atomic_ref(page->data_tail).store(position, std::memory_order_release);
    }
    return total;
}

}  // namespace waggle
