// SPDX-License-Identifier: Apache-2.0
// Maps: the tables that BPF programs and user space share. MapView reads and writes any map as bytes; Map<K,
// V> and PerCpuMap<K, V> check K and V when the map is opened and then speak in values.
//
//     auto counts = waggle::Map<std::uint32_t, std::uint64_t>::open(object, "counts");
//     if (!counts) return counts.error();
//     if (auto wrote = counts->write(7, 1, waggle::Write::noexist); !wrote) return wrote.error();
//     counts->each([](std::uint32_t key, std::uint64_t value) { use(key, value); });
//
// Each misuse has its own ErrorKind: unsupported (this kind of map cannot do this), wrong_key_size,
// wrong_value_size, full, missing_key, exists. Errors name the map.
//
// What a kind can do, and what its key and value are:
//   hash, lru_hash                read write take erase walk, batches. A full lru_hash drops its oldest.
//   array                         read write walk; keys are 0 … max_entries - 1 (std::uint32_t), all there.
//   percpu_*                      the same with one value for each possible CPU, one after the other, each
//                                 rounded up to 8 bytes: value_bytes() long in all.
//   lpm_trie                      read (longest prefix that matches) write erase walk; the key is a
//                                 std::uint32_t of prefix bits and the address in network order.
//   queue, stack                  push pop peek. bloom_filter: push contains.
//   stack_trace                   read erase walk; the value is a list of addresses, 0 ends it.
//   array_of_maps, hash_of_maps   write takes the descriptor of the inner map, read and walk give its id.
//   program_array                 the same with programs.
//   perf_event_array              write (the descriptor of a perf event) and erase; waggle/perf_buffer.h
//                                 reads it.
//   task_storage, inode_storage, socket_storage
//                                 read write erase; the key is a descriptor (int): a pidfd, an open file, a
//                                 socket. They have no list of keys to walk.
//   ring_buffer                   none of these: waggle/ring.h reads it.
//
// A MapView owns a descriptor of its own, so the object or process it came from need not outlive it; the map
// lives as long as anybody holds it. Calls of one view from several threads at once are safe.
// Source: the bpf system call; kernel >= 5.8. Batches: 5.6, of arrays of maps and LPM tries since 5.15.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "waggle/bytes.h"
#include "waggle/owned_fd.h"
#include "waggle/result.h"

namespace waggle {

class Object;

// Numbered as the kernel numbers them (enum bpf_map_type); a number without a name here is a kind that came
// later.
enum class MapKind : std::uint32_t {
    hash = 1,
    array = 2,
    program_array = 3,
    perf_event_array = 4,
    percpu_hash = 5,
    percpu_array = 6,
    stack_trace = 7,
    cgroup_array = 8,
    lru_hash = 9,
    lru_percpu_hash = 10,
    lpm_trie = 11,
    array_of_maps = 12,
    hash_of_maps = 13,
    queue = 22,
    stack = 23,
    socket_storage = 24,
    ring_buffer = 27,
    inode_storage = 28,
    task_storage = 29,
    bloom_filter = 30,
};

// The kernel's name of a kind, as bpftool prints it: "hash", "ringbuf"; "map type 40" for one that came
// later.
std::string map_kind_name(MapKind kind);

// What a map is.
struct MapShape {
    std::string name;               // as the kernel keeps it: at most 15 characters
    std::uint32_t id = 0;           // the kernel's number for it
    MapKind kind = MapKind::hash;   // hash, array, …
    std::uint32_t key_size = 0;     // bytes
    std::uint32_t value_size = 0;   // bytes, of one CPU where the map is per CPU
    std::uint32_t max_entries = 0;  // of a ring buffer: bytes
    std::uint32_t flags = 0;        // BPF_F_…
    std::uint32_t btf_id = 0;       // 0: the map has no BTF, and its types are not known
    std::uint32_t key_type = 0;     // type numbers in that BTF; 0: none
    std::uint32_t value_type = 0;   // the same for the value
};

// What write() does where the entry is there, or is not.
enum class Write {
    any,      // make the entry or replace it
    noexist,  // make it; an error of kind exists where there is one
    exist,    // replace it; an error of kind missing_key where there is none
};

// Entries that were read together: `count` keys one after the other, and their values.
struct MapBatch {
    std::size_t count = 0;              // entries
    std::size_t key_size = 0;           // bytes
    std::size_t value_size = 0;         // of all CPUs where the map is per CPU
    const std::byte* keys = nullptr;    // count * key_size bytes
    const std::byte* values = nullptr;  // count * value_size bytes

    // The key of entry i, from 0.
    Bytes key(std::size_t i) const { return {keys + i * key_size, key_size}; }
    // The value of entry i, from 0.
    Bytes value(std::size_t i) const { return {values + i * value_size, value_size}; }
};

// Takes entries that were read together; false ends the walk. The bytes live until it returns.
using MapBatchSink = std::function<bool(const MapBatch&)>;
// Takes one entry; false ends the walk. The bytes live until it returns.
using MapEntrySink = std::function<bool(Bytes key, Bytes value)>;

// One map, as bytes. See the head of this file.
class MapView {
  public:
    // `fd` stays the caller's: the view makes its own. no_such_map: `fd` is no map.
    static Result<MapView> open(int fd);
    // Of a loaded object. no_such_map: it has no map of this name, or is not loaded.
    static Result<MapView> open(const Object& object, std::string_view name);
    // A map of the kernel by its number (`bpftool map`). Needs CAP_SYS_ADMIN.
    static Result<MapView> open_id(std::uint32_t id);

    // What it is: kind, sizes, types; as it was when opened.
    const MapShape& shape() const { return shape_; }
    // Stays the view's.
    int fd() const { return fd_.get(); }
    // Whether a value is one value for each CPU.
    bool is_per_cpu() const;
    // What read() fills: shape().value_size, or for per-CPU maps that rounded up to 8 times cpus().
    std::size_t value_bytes() const { return value_bytes_; }
    // Possible CPUs, as the kernel counts them (not only those that run).
    std::size_t cpus() const { return cpus_; }

    // `value` has value_bytes().
    Result<void> read(Bytes key, std::span<std::byte> value) const;
    // The same into memory of its own.
    Result<std::vector<std::byte>> read(Bytes key) const;
    // `value` has value_bytes(); of maps in maps it is a descriptor (int).
    Result<void> write(Bytes key, Bytes value, Write how = Write::any) const;
    // missing_key where there is no such entry.
    Result<void> erase(Bytes key) const;
    // Reads and erases in one step, so that nothing written in between is lost. Hashes since 5.14.
    Result<void> take(Bytes key, std::span<std::byte> value) const;

    // Queue, stack: push; pop and peek give missing_key when empty. Bloom filter: push. `full` when it is.
    Result<void> push(Bytes value) const;
    // The next value, and it is gone from the map.
    Result<void> pop(std::span<std::byte> value) const;
    // The next value, and it stays.
    Result<void> peek(std::span<std::byte> value) const;
    // Bloom filter: false is certain, true is very likely.
    Result<bool> contains(Bytes value) const;

    // Every entry once, in no order; entries that others make or erase meanwhile are or are not among them.
    // The sink can erase what it is shown. Batches are read 4,096 entries a call where the kernel has them
    // for this kind, else one by one into a batch; uses_batches() says which. The bytes live until the sink
    // returns.
    Result<void> each_batch(const MapBatchSink& sink) const;
    // The same, entry by entry.
    Result<void> each(const MapEntrySink& sink) const;
    // Asked of the kernel, not guessed: whether walks go in batches here.
    bool uses_batches() const;
    // Never in batches, for what changes while it is walked: one key at a time, 2 system calls each.
    Result<void> each_one_by_one(const MapEntrySink& sink) const;
    // Entries, counted by a walk.
    Result<std::uint64_t> count() const;

    // Many at once: `keys` and `values` are the keys and values one after the other. Gives how many were
    // done: all, or the error. Kernels without batches for this kind do them one by one. What stands before
    // the entry that fails is done.
    Result<std::size_t> read_many(Bytes keys, std::span<std::byte> values) const;
    // In batches where `how` is any.
    Result<std::size_t> write_many(Bytes keys, Bytes values, Write how = Write::any) const;
    // Ends at the first key that is missing.
    Result<std::size_t> erase_many(Bytes keys) const;
    // Empties the map and hands out what was in it, each entry once.
    Result<void> take_all(const MapBatchSink& sink) const;

  private:
    MapView() = default;
    static Result<MapView> adopt(OwnedFd fd);
    Result<void> check(std::uint32_t ability, std::string_view what) const;
    Result<void> check_key(Bytes key) const;
    Result<void> check_value(std::size_t size) const;
    Result<void> check_many(Bytes keys, std::size_t values_size) const;
    Error failure(std::string_view doing, int error) const;
    Result<void> walk(const MapBatchSink& sink, bool taking) const;
    Result<void> walk_one_by_one(const MapEntrySink& sink, bool taking, Bytes from) const;

    OwnedFd fd_;
    MapShape shape_;
    std::size_t value_bytes_ = 0;
    std::size_t cpus_ = 1;
};

namespace detail {

enum class TypeClass : std::uint8_t { integer, floating, aggregate };

struct HostType {
    std::size_t size;
    TypeClass type_class;
};

template <class T>
constexpr HostType host_type() {
    static_assert(std::is_trivially_copyable_v<T>, "keys and values are copied as bytes");
    if constexpr (std::is_floating_point_v<T>)
        return {sizeof(T), TypeClass::floating};
    else if constexpr (std::is_class_v<T> || std::is_union_v<T> || std::is_array_v<T>)
        return {sizeof(T), TypeClass::aggregate};
    else
        return {sizeof(T), TypeClass::integer};
}

// Sizes, and the class of type where the map has BTF: a struct is no number, a float no integer.
Result<void> check_types(const MapView& map, HostType key, HostType value);

}  // namespace detail

// A map of one value a key. Per-CPU maps are an error of kind unsupported (PerCpuMap reads them).
template <class K, class V>
class Map {
  public:
    // `fd` stays the caller's. Checks sizes and types.
    static Result<Map> open(int fd) { return checked(MapView::open(fd)); }
    // Of a loaded object, by the map's name.
    static Result<Map> open(const Object& object, std::string_view name) {
        return checked(MapView::open(object, name));
    }

    // The same map as bytes.
    const MapView& view() const { return view_; }

    // missing_key where there is no such entry.
    Result<V> read(const K& key) const {
        V value;
        if (auto done = view_.read(bytes_of(key), writable(value)); !done) return done.error();
        return value;
    }
    // Reads and erases in one step.
    Result<V> take(const K& key) const {
        V value;
        if (auto done = view_.take(bytes_of(key), writable(value)); !done) return done.error();
        return value;
    }
    // `full` where there is no room.
    Result<void> write(const K& key, const V& value, Write how = Write::any) const {
        return view_.write(bytes_of(key), bytes_of(value), how);
    }
    // missing_key where there is no such entry.
    Result<void> erase(const K& key) const { return view_.erase(bytes_of(key)); }

    // f(const K&, const V&) for every entry, in batches where the kernel has them.
    template <class F>
    Result<void> each(F&& f) const {
        return view_.each_batch([&f](const MapBatch& batch) {
            // The sizes were checked when the map was opened; as constants they cost nothing.
            const Bytes keys(batch.keys, batch.count * sizeof(K)),
                values(batch.values, batch.count * sizeof(V));
            for (std::size_t i = 0; i < batch.count; ++i)
                f(load<K>(keys, i * sizeof(K)), load<V>(values, i * sizeof(V)));
            return true;
        });
    }
    // All, or the error, which says how many are done.
    Result<std::size_t> write_many(std::span<const K> keys, std::span<const V> values,
                                   Write how = Write::any) const {
        return view_.write_many(std::as_bytes(keys), std::as_bytes(values), how);
    }
    // As many values as keys; all, or the error.
    Result<std::size_t> read_many(std::span<const K> keys, std::span<V> values) const {
        return view_.read_many(std::as_bytes(keys), std::as_writable_bytes(values));
    }
    // All, or the error, which says how many are done.
    Result<std::size_t> erase_many(std::span<const K> keys) const {
        return view_.erase_many(std::as_bytes(keys));
    }

  private:
    explicit Map(MapView view) : view_(std::move(view)) {}
    static std::span<std::byte> writable(V& value) {
        return std::as_writable_bytes(std::span<V, 1>(&value, 1));
    }
    static Result<Map> checked(Result<MapView> view) {
        if (!view) return view.error();
        if (view->is_per_cpu())
            return Error{"map " + view->shape().name + " keeps a value for each CPU: PerCpuMap reads it",
                         ErrorKind::unsupported};
        if (auto fits = detail::check_types(*view, detail::host_type<K>(), detail::host_type<V>()); !fits)
            return fits.error();
        return Map(std::move(*view));
    }

    MapView view_;
};

// A map of one value for each key and CPU. Values come in the order of the CPUs, view().cpus() of them.
template <class K, class V>
class PerCpuMap {
  public:
    // `fd` stays the caller's. Checks sizes and types.
    static Result<PerCpuMap> open(int fd) { return checked(MapView::open(fd)); }
    // Of a loaded object, by the map's name.
    static Result<PerCpuMap> open(const Object& object, std::string_view name) {
        return checked(MapView::open(object, name));
    }

    // The same map as bytes.
    const MapView& view() const { return view_; }

    // One value for each CPU; missing_key where there is no such entry.
    Result<std::vector<V>> read(const K& key) const {
        std::vector<std::byte> bytes(view_.value_bytes());
        if (auto done = view_.read(bytes_of(key), bytes); !done) return done.error();
        return unpack(bytes);
    }
    // One value for each CPU; wrong_value_size where there are more or fewer.
    Result<void> write(const K& key, std::span<const V> values, Write how = Write::any) const {
        std::vector<std::byte> bytes(values.size() * stride);
        for (std::size_t i = 0; i < values.size(); ++i)
            std::memcpy(bytes.data() + i * stride, &values[i], sizeof(V));
        return view_.write(bytes_of(key), bytes, how);
    }
    // missing_key where there is no such entry.
    Result<void> erase(const K& key) const { return view_.erase(bytes_of(key)); }

    // f(const K&, const std::vector<V>&) for every entry.
    template <class F>
    Result<void> each(F&& f) const {
        return view_.each_batch([&f](const MapBatch& batch) {
            for (std::size_t i = 0; i < batch.count; ++i) f(load<K>(batch.key(i)), unpack(batch.value(i)));
            return true;
        });
    }

  private:
    static constexpr std::size_t stride = (sizeof(V) + 7) / 8 * 8;
    explicit PerCpuMap(MapView view) : view_(std::move(view)) {}
    static std::vector<V> unpack(Bytes bytes) {
        std::vector<V> values;
        for (std::size_t at = 0; at + stride <= bytes.size(); at += stride)
            values.push_back(load<V>(bytes, at));
        return values;
    }
    static Result<PerCpuMap> checked(Result<MapView> view) {
        if (!view) return view.error();
        if (!view->is_per_cpu())
            return Error{"map " + view->shape().name + " keeps one value a key: Map reads it",
                         ErrorKind::unsupported};
        if (auto fits = detail::check_types(*view, detail::host_type<K>(), detail::host_type<V>()); !fits)
            return fits.error();
        return PerCpuMap(std::move(*view));
    }

    MapView view_;
};

}  // namespace waggle
