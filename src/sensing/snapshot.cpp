// SPDX-License-Identifier: Apache-2.0
#include "sensing/snapshot.h"

#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace waggle::kernel {
namespace {

// Room for the first batch: enough for the entries that most maps have, little enough to be kept.
constexpr std::uint32_t first_batch_bytes = 512u << 10;

template <class Number>
Number number_at(const std::byte* at) {
    Number number;
    std::memcpy(&number, at, sizeof number);
    return number;
}

// Turns a run of counters into what was added since `before`.
template <class Number>
void subtract_run(const std::byte* before, std::byte* now, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto added = static_cast<Number>(number_at<Number>(now + sizeof(Number) * i) -
                                               number_at<Number>(before + sizeof(Number) * i));
        std::memcpy(now + sizeof(Number) * i, &added, sizeof added);
    }
}

template <class Number>
bool fell(const std::byte* before, const std::byte* now, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
        if (number_at<Number>(now + sizeof(Number) * i) < number_at<Number>(before + sizeof(Number) * i))
            return true;
    return false;
}

}  // namespace

Result<Snapshot> Snapshot::open(int map_fd, std::vector<Counter> counters, Options options) {
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(map_fd, &info, &length) != 0)
        return Error{fmt::format("cannot read the map's description: {}", std::strerror(errno))};
    if (info.type != BPF_MAP_TYPE_HASH && info.type != BPF_MAP_TYPE_LRU_HASH)
        return Error{fmt::format("map {} is not a hash map of records", info.name)};
    for (const Counter& counter : counters)
        if ((counter.bytes != 8 && counter.bytes != 4) || counter.offset % counter.bytes != 0 ||
            counter.offset + std::uint64_t{counter.bytes} * counter.count > info.value_size)
            return Error{fmt::format("map {} has no counter at offset {}", info.name, counter.offset)};
    if (info.value_size % 8 != 0)
        return Error{
            fmt::format("map {} holds records of {} bytes, not a multiple of 8", info.name, info.value_size)};
    Snapshot snapshot;
    snapshot.map_fd_ = map_fd;
    snapshot.key_size_ = info.key_size;
    snapshot.value_size_ = info.value_size;
    snapshot.max_entries_ = info.max_entries;
    snapshot.counters_ = std::move(counters);
    for (const Counter& counter : snapshot.counters_)
        snapshot.counter_bytes_ += std::size_t{counter.bytes} * counter.count;
    snapshot.options_ = std::move(options);
    return snapshot;
}

// Fills keys_ and values_ with all entries; returns how many.
std::uint64_t Snapshot::fetch() {
    const std::size_t value_words = value_size_ / 8;
    std::uint64_t have = 0;
    std::vector<std::byte> position(std::max<std::size_t>(key_size_, 8));
    // A hash bucket must fit a batch whole; when it does not the kernel says ENOSPC and a larger batch is
    // tried.
    std::uint32_t chunk = std::clamp<std::uint32_t>(
        first_batch_bytes / value_size_, std::min(64u, max_entries_), std::min(1024u, max_entries_));
    bool first = true;
    for (;;) {
        keys_.resize((have + chunk) * key_size_);
        values_.resize((have + chunk) * value_words);
        __u32 count = chunk;
        const int failed = bpf_map_lookup_batch(map_fd_, first ? nullptr : position.data(), position.data(),
                                                keys_.data() + have * key_size_,
                                                values_.data() + have * value_words, &count, nullptr);
        const int error = failed ? errno : 0;
        if (error == ENOSPC && chunk < max_entries_) {
            chunk = std::min(chunk * 2, max_entries_);
            continue;
        }
        if (error != 0 && error != ENOENT) break;
        have += count;
        first = false;
        if (error == ENOENT) return have;
    }
    // Without batches: key by key. A key deleted under our feet restarts the walk, so bound it by the map's
    // size.
    have = 0;
    std::vector<std::byte> key(key_size_), next(key_size_);
    const void* from = nullptr;
    while (have < max_entries_ && bpf_map_get_next_key(map_fd_, from, next.data()) == 0) {
        keys_.resize((have + 1) * key_size_);
        values_.resize((have + 1) * value_words);
        if (bpf_map_lookup_elem(map_fd_, next.data(), values_.data() + have * value_words) == 0) {
            std::memcpy(keys_.data() + have * key_size_, next.data(), key_size_);
            ++have;
        }
        key.swap(next);
        from = key.data();
    }
    return have;
}

// Turns the record's counters into what was added since the last read; false when nothing was.
bool Snapshot::reduce(std::string_view key, std::byte* value) {
    Seen& seen = seen_[std::string(key)];
    std::vector<std::byte> now(counter_bytes_);
    std::size_t at = 0;
    for (const Counter& counter : counters_) {
        const std::size_t size = std::size_t{counter.bytes} * counter.count;
        std::memcpy(now.data() + at, value + counter.offset, size);
        at += size;
    }
    if (seen.counters.empty()) seen.counters.resize(counter_bytes_);
    const bool changed = now != seen.counters;
    if (!is_anew(seen.counters.data(), value)) subtract(seen.counters.data(), value);
    seen.counters = std::move(now);
    seen.idle = changed ? 0 : seen.idle + 1;
    return changed;
}

bool Snapshot::is_anew(const std::byte* before, const std::byte* value) const {
    bool fell_32 = false, has_64 = false;
    for (const Counter& counter : counters_) {
        const std::byte* now = value + counter.offset;
        if (counter.bytes == 8) {
            has_64 = true;
            if (fell<std::uint64_t>(before, now, counter.count)) return true;
        } else {
            fell_32 |= fell<std::uint32_t>(before, now, counter.count);
        }
        before += std::size_t{counter.bytes} * counter.count;
    }
    return fell_32 && !has_64;
}

void Snapshot::subtract(const std::byte* before, std::byte* value) const {
    for (const Counter& counter : counters_) {
        if (counter.bytes == 8)
            subtract_run<std::uint64_t>(before, value + counter.offset, counter.count);
        else
            subtract_run<std::uint32_t>(before, value + counter.offset, counter.count);
        before += std::size_t{counter.bytes} * counter.count;
    }
}

std::uint64_t Snapshot::read(const RecordSink& sink) {
    const std::uint64_t have = fetch();
    const std::size_t value_words = value_size_ / 8;
    std::vector<Bytes> records;
    for (std::uint64_t i = 0; i < have; ++i) {
        const std::string_view key(reinterpret_cast<const char*>(keys_.data()) + i * key_size_, key_size_);
        auto* value = reinterpret_cast<std::byte*>(values_.data() + i * value_words);
        if (options_.adjust) options_.adjust(value);
        if (reduce(key, value) || options_.keep_unchanged) {
            records.emplace_back(value, value_size_);
            continue;
        }
        const auto seen = seen_.find(std::string(key));
        if (options_.forget_after == 0 || seen->second.idle < options_.forget_after) continue;
        // Deleting hands back the last value, so what was counted since this read is not lost.
        if (bpf_map_lookup_and_delete_elem(map_fd_, key.data(), value) == 0) {
            if (options_.adjust) options_.adjust(value);
            if (reduce(key, value)) records.emplace_back(value, value_size_);
        } else {
            bpf_map_delete_elem(map_fd_, key.data());
        }
        seen_.erase(std::string(key));
    }
    if (!records.empty()) sink(records);
    return records.size();
}

}  // namespace waggle::kernel
