// SPDX-License-Identifier: Apache-2.0
// Many entries at once: in batches where the kernel has them, else one by one.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "engine/maps/map_abilities.h"
#include "waggle/map.h"

namespace waggle {
namespace {

using namespace kernel;

constexpr std::uint32_t entries_a_call = 4096;
constexpr std::size_t most_bytes_a_call = 4u << 20;

// Memory that is written before it is read.
class Buffer {
  public:
    std::byte* reserve(std::size_t size) {
        if (size > size_) {
            bytes_ = std::make_unique_for_overwrite<std::byte[]>(size);
            size_ = size;
        }
        return bytes_.get();
    }
    std::byte* get() const { return bytes_.get(); }

  private:
    std::unique_ptr<std::byte[]> bytes_;
    std::size_t size_ = 0;
};

Error part_done(const Error& error, std::size_t done, std::size_t all) {
    return {fmt::format("{}; {} of {} are done", error.message, done, all), error.kind};
}

}  // namespace

bool MapView::uses_batches() const {
    if (!(abilities_of(shape_.kind).can & can_batch)) return false;
    // A batch of nothing: the kernel says 0 where it has batches for this map, and touches no memory.
    std::uint64_t unused = 0;
    __u32 count = 0;
    return bpf_map_lookup_batch(fd_.get(), nullptr, &unused, &unused, &unused, &count, nullptr) == 0;
}

Result<void> MapView::walk(const MapBatchSink& sink, bool taking) const {
    const std::size_t entry = shape_.key_size + value_bytes_;
    Buffer keys, values;
    const bool batches =
        taking ? (abilities_of(shape_.kind).can & can_take_batch) && uses_batches() : uses_batches();
    std::vector<std::byte> position(std::max<std::size_t>(shape_.key_size, 8));
    bool first = true;
    if (batches) {
        auto chunk = static_cast<std::uint32_t>(
            std::clamp<std::size_t>(most_bytes_a_call / std::max<std::size_t>(entry, 1), 16, entries_a_call));
        chunk = std::min(chunk, std::max(shape_.max_entries, 1u));
        for (;;) {
            keys.reserve(std::size_t{chunk} * shape_.key_size);
            values.reserve(std::size_t{chunk} * value_bytes_);
            __u32 count = chunk;
            const auto call = taking ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch;
            const int failed = call(fd_.get(), first ? nullptr : position.data(), position.data(), keys.get(),
                                    values.get(), &count, nullptr);
            const int error = failed ? errno : 0;
            // A bucket of a hash is handed out whole; ENOSPC: it is larger than the batch.
            if (error == ENOSPC && chunk < shape_.max_entries) {
                chunk = chunk > shape_.max_entries / 2 ? shape_.max_entries : chunk * 2;
                continue;
            }
            if (error != 0 && error != ENOENT && error != EINTR) return failure("read", error);
            if (count > 0) {
                first = false;
                if (!sink({count, shape_.key_size, value_bytes_, keys.get(), values.get()})) return {};
            }
            if (error == ENOENT) return {};
            // EINTR: an entry went away while the kernel looked at it. `position` is the last key it gave,
            // and from there the walk goes on by the same means.
            if (error == EINTR && count == 0) break;
        }
    }
    // One by one, handed out in batches all the same.
    const std::size_t most = std::min<std::size_t>(
        entries_a_call, std::max<std::size_t>(most_bytes_a_call / std::max<std::size_t>(entry, 1), 1));
    keys.reserve(most * shape_.key_size);
    values.reserve(most * value_bytes_);
    std::size_t have = 0;
    bool stopped = false;
    const auto hand_out = [&] {
        if (have > 0 && !sink({have, shape_.key_size, value_bytes_, keys.get(), values.get()}))
            stopped = true;
        have = 0;
        return !stopped;
    };
    auto walked = walk_one_by_one(
        [&](Bytes key, Bytes value) {
            if (!key.empty()) std::memcpy(keys.get() + have * key.size(), key.data(), key.size());
            std::memcpy(values.get() + have * value.size(), value.data(), value.size());
            return ++have < most || hand_out();
        },
        taking, first ? Bytes{} : Bytes(position).first(shape_.key_size));
    if (!walked) return walked;
    if (!stopped) hand_out();
    return {};
}

Result<void> MapView::walk_one_by_one(const MapEntrySink& sink, bool taking, Bytes from) const {
    std::vector<std::byte> key(shape_.key_size), next(shape_.key_size), value(value_bytes_);
    const void* position = nullptr;
    if (!from.empty()) {
        std::copy(from.begin(), from.end(), key.begin());
        position = key.data();
    }
    int error = bpf_map_get_next_key(fd_.get(), position, next.data()) ? errno : 0;
    // Where another erases the key at hand, the kernel begins again; the map's size bounds how often.
    for (std::uint64_t steps = 0; error == 0 && steps < std::uint64_t{shape_.max_entries}; ++steps) {
        key.swap(next);
        // The sink can erase this entry, so the next key is asked for before.
        error = bpf_map_get_next_key(fd_.get(), key.data(), next.data()) ? errno : 0;
        const bool take_it = taking && (abilities_of(shape_.kind).can & can_take);
        const int failed = take_it ? bpf_map_lookup_and_delete_elem(fd_.get(), key.data(), value.data())
                                   : bpf_map_lookup_elem(fd_.get(), key.data(), value.data());
        if (failed) {
            if (errno == ENOENT) continue;  // an empty slot, or gone meanwhile
            return failure("read", errno);
        }
        if (taking && !take_it && bpf_map_delete_elem(fd_.get(), key.data()) != 0 && errno != ENOENT)
            return failure("erase from", errno);
        if (!sink(key, value)) return {};
    }
    if (error != 0 && error != ENOENT) return failure("walk", error);
    return {};
}

Result<void> MapView::each_batch(const MapBatchSink& sink) const {
    if (auto can = check(can_walk, "walk"); !can) return can;
    return walk(sink, false);
}

Result<void> MapView::each(const MapEntrySink& sink) const {
    return each_batch([&sink](const MapBatch& batch) {
        for (std::size_t i = 0; i < batch.count; ++i)
            if (!sink(batch.key(i), batch.value(i))) return false;
        return true;
    });
}

Result<void> MapView::each_one_by_one(const MapEntrySink& sink) const {
    if (auto can = check(can_walk, "walk"); !can) return can;
    return walk_one_by_one(sink, false, {});
}

Result<std::uint64_t> MapView::count() const {
    std::uint64_t sum = 0;
    if (auto walked = each_batch([&sum](const MapBatch& batch) {
            sum += batch.count;
            return true;
        });
        !walked)
        return walked.error();
    return sum;
}

Result<void> MapView::take_all(const MapBatchSink& sink) const {
    if (auto can = check(can_walk, "walk"); !can) return can;
    if (auto can = check(can_erase, "empty"); !can) return can;
    return walk(sink, true);
}

Result<void> MapView::check_many(Bytes keys, std::size_t values_size) const {
    const std::size_t many = shape_.key_size ? keys.size() / shape_.key_size : 0;
    if (many * shape_.key_size != keys.size())
        return Error{fmt::format("map {} has keys of {} bytes; {} bytes are no whole number of them",
                                 shape_.name, shape_.key_size, keys.size()),
                     ErrorKind::wrong_key_size};
    if (many * value_bytes_ != values_size)
        return Error{
            fmt::format("map {} has values of {} bytes; {} keys need {} bytes of values, {} were given",
                        shape_.name, value_bytes_, many, many * value_bytes_, values_size),
            ErrorKind::wrong_value_size};
    if (abilities_of(shape_.kind).indexed)
        for (std::size_t i = 0; i < many; ++i)
            if (auto fits = check_key(keys.subspan(i * shape_.key_size, shape_.key_size)); !fits) return fits;
    return {};
}

Result<std::size_t> MapView::read_many(Bytes keys, std::span<std::byte> values) const {
    if (auto can = check(can_read, "read"); !can) return can.error();
    const std::size_t many = shape_.key_size ? keys.size() / shape_.key_size : 0;
    if (auto fits = check_many(keys, values.size()); !fits) return fits.error();
    for (std::size_t i = 0; i < many; ++i)
        if (auto done = read(keys.subspan(i * shape_.key_size, shape_.key_size),
                             values.subspan(i * value_bytes_, value_bytes_));
            !done)
            return part_done(done.error(), i, many);
    return many;
}

Result<std::size_t> MapView::write_many(Bytes keys, Bytes values, Write how) const {
    if (auto can = check(can_write, "write"); !can) return can.error();
    const std::size_t many = shape_.key_size ? keys.size() / shape_.key_size : 0;
    if (auto fits = check_many(keys, values.size()); !fits) return fits.error();
    if (many == 0) return std::size_t{0};
    std::size_t done = 0;
    // The kernel's batches know no "noexist" and no "exist".
    if (how == Write::any && uses_batches()) {
        auto count = static_cast<__u32>(many);
        const int failed = bpf_map_update_batch(fd_.get(), keys.data(), values.data(), &count, nullptr);
        if (!failed) return many;
        const int error = errno;
        if (error != EINVAL && error != EOPNOTSUPP && error < 512)
            return part_done(failure("write", error), count, many);
        done = std::min<std::size_t>(count, many);
    }
    for (; done < many; ++done)
        if (auto wrote = write(keys.subspan(done * shape_.key_size, shape_.key_size),
                               values.subspan(done * value_bytes_, value_bytes_), how);
            !wrote)
            return part_done(wrote.error(), done, many);
    return many;
}

Result<std::size_t> MapView::erase_many(Bytes keys) const {
    if (auto can = check(can_erase, "erase from"); !can) return can.error();
    const std::size_t many = shape_.key_size ? keys.size() / shape_.key_size : 0;
    if (auto fits = check_many(keys, many * value_bytes_); !fits) return fits.error();
    if (many == 0) return std::size_t{0};
    std::size_t done = 0;
    if (uses_batches()) {
        auto count = static_cast<__u32>(many);
        const int failed = bpf_map_delete_batch(fd_.get(), keys.data(), &count, nullptr);
        if (!failed) return many;
        const int error = errno;
        if (error != EINVAL && error != EOPNOTSUPP && error < 512)
            return part_done(failure("erase from", error), count, many);
        done = std::min<std::size_t>(count, many);
    }
    for (; done < many; ++done)
        if (auto erased = erase(keys.subspan(done * shape_.key_size, shape_.key_size)); !erased)
            return part_done(erased.error(), done, many);
    return many;
}

}  // namespace waggle
