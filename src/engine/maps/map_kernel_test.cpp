// SPDX-License-Identifier: Apache-2.0
// Every kind of map: made, written, read back, and misused. Maps are made here, no program is loaded.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <numeric>

#include "waggle/map.h"
#include "waggle/ring.h"

namespace waggle {
namespace {

using testing::HasSubstr;

OwnedFd make(bpf_map_type type, std::uint32_t key, std::uint32_t value, std::uint32_t entries,
             std::uint32_t flags = 0) {
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = flags;
    OwnedFd fd(bpf_map_create(type, "under_test", key, value, entries, &options));
    EXPECT_TRUE(fd) << std::strerror(errno);
    return fd;
}

MapView view_of(const OwnedFd& fd) {
    Result<MapView> view = MapView::open(fd.get());
    EXPECT_TRUE(view) << view.error().message;
    return std::move(*view);
}

template <class T>
std::span<std::byte> into(T& value) {
    return std::as_writable_bytes(std::span<T, 1>(&value, 1));
}

template <class T>
ErrorKind kind_of(const Result<T>& result) {
    return result ? ErrorKind::failed : result.error().kind;
}

using Key = std::uint32_t;
using Number = std::uint64_t;

std::map<Key, Number> all(const Map<Key, Number>& map) {
    std::map<Key, Number> out;
    const auto walked = map.each(
        [&](Key key, Number value) { EXPECT_TRUE(out.emplace(key, value).second) << key << " came twice"; });
    EXPECT_TRUE(walked) << walked.error().message;
    return out;
}

class HashKinds : public testing::TestWithParam<bpf_map_type> {};

TEST_P(HashKinds, read_back_what_was_written_and_tell_each_misuse_apart) {
    const OwnedFd fd = make(GetParam(), 4, 8, 1000);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map) << map.error().message;
    ASSERT_TRUE(map->write(1, 10, Write::noexist));
    EXPECT_EQ(kind_of(map->write(1, 11, Write::noexist)), ErrorKind::exists);
    EXPECT_EQ(kind_of(map->write(2, 20, Write::exist)), ErrorKind::missing_key);
    ASSERT_TRUE(map->write(1, 12, Write::exist));
    ASSERT_TRUE(map->write(2, 20));
    EXPECT_EQ(*map->read(1), 12u);
    EXPECT_EQ(kind_of(map->read(3)), ErrorKind::missing_key);
    EXPECT_EQ(all(*map), (std::map<Key, Number>{{1, 12}, {2, 20}}));
    EXPECT_EQ(*map->take(1), 12u);
    EXPECT_EQ(kind_of(map->erase(1)), ErrorKind::missing_key);
    ASSERT_TRUE(map->erase(2));
    EXPECT_EQ(all(*map), (std::map<Key, Number>{}));
    EXPECT_EQ(kind_of(map->view().push(bytes_of(Number{1}))), ErrorKind::unsupported);
}

TEST_P(HashKinds, thousands_of_entries_come_once_each_in_batches_and_one_by_one) {
    const OwnedFd fd = make(GetParam(), 4, 8, 20'000);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map);
    EXPECT_TRUE(map->view().uses_batches());
    std::vector<Key> keys(10'000);
    std::iota(keys.begin(), keys.end(), 0);
    std::vector<Number> values(keys.begin(), keys.end());
    ASSERT_EQ(*map->write_many(keys, values), keys.size());
    const std::map<Key, Number> batched = all(*map);
    EXPECT_EQ(batched.size(), keys.size());
    std::map<Key, Number> single;
    ASSERT_TRUE(map->view().each_one_by_one([&](Bytes key, Bytes value) {
        single[load<Key>(key)] = load<Number>(value);
        return true;
    }));
    EXPECT_EQ(single, batched);
    std::vector<Number> back(keys.size());
    ASSERT_EQ(*map->read_many(keys, back), keys.size());
    EXPECT_EQ(back, values);
    std::size_t seen = 0;
    ASSERT_TRUE(map->view().each([&](Bytes, Bytes) { return ++seen < 3; }));
    EXPECT_EQ(seen, 3u);
    ASSERT_EQ(*map->erase_many(std::span(keys).first(4'000)), 4'000u);
    EXPECT_EQ(*map->view().count(), 6'000u);
    std::size_t taken = 0;
    ASSERT_TRUE(map->view().take_all([&](const MapBatch& batch) {
        taken += batch.count;
        return true;
    }));
    EXPECT_EQ(taken, 6'000u);
    EXPECT_EQ(*map->view().count(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Map, HashKinds, testing::Values(BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_LRU_HASH));

TEST(MapKernel, a_full_hash_says_so_and_an_lru_makes_room) {
    const OwnedFd fd = make(BPF_MAP_TYPE_HASH, 4, 8, 4);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map);
    for (Key key = 0; key < 4; ++key) ASSERT_TRUE(map->write(key, key));
    const auto refused = map->write(9, 9);
    EXPECT_EQ(kind_of(refused), ErrorKind::full);
    EXPECT_EQ(refused.error().message, "write map under_test: it is full with 4 entries");
    const std::vector<Key> keys{1, 2, 7, 8};
    const std::vector<Number> values{5, 6, 7, 8};
    const auto part = map->write_many(keys, values);
    EXPECT_EQ(kind_of(part), ErrorKind::full);
    EXPECT_THAT(part.error().message, HasSubstr("2 of 4 are done"));
    EXPECT_EQ(*map->read(2), 6u);
    const OwnedFd lru = make(BPF_MAP_TYPE_LRU_HASH, 4, 8, 128);
    const auto latest = Map<Key, Number>::open(lru.get());
    ASSERT_TRUE(latest);
    for (Key key = 0; key < 2000; ++key) ASSERT_TRUE(latest->write(key, key));
    EXPECT_EQ(*latest->read(1999), 1999u);
    EXPECT_LE(*latest->view().count(), 128u);
}

TEST(MapKernel, sizes_are_checked_when_opened_and_at_every_call) {
    const OwnedFd fd = make(BPF_MAP_TYPE_HASH, 4, 8, 4);
    EXPECT_EQ(kind_of(Map<std::uint64_t, Number>::open(fd.get())), ErrorKind::wrong_key_size);
    EXPECT_EQ(kind_of(Map<Key, std::uint32_t>::open(fd.get())), ErrorKind::wrong_value_size);
    EXPECT_EQ(kind_of(PerCpuMap<Key, Number>::open(fd.get())), ErrorKind::unsupported);
    const MapView view = view_of(fd);
    EXPECT_EQ(kind_of(view.read(bytes_of(Number{1}))), ErrorKind::wrong_key_size);
    EXPECT_EQ(kind_of(view.write(bytes_of(Key{1}), bytes_of(Key{1}))), ErrorKind::wrong_value_size);
    EXPECT_EQ(kind_of(view.write_many(bytes_of(Key{1}), bytes_of(std::array<Number, 2>{}))),
              ErrorKind::wrong_value_size);
    EXPECT_EQ(kind_of(view.erase_many(bytes_of(std::array<char, 6>{}))), ErrorKind::wrong_key_size);
    EXPECT_EQ(view.write(bytes_of(Key{1}), bytes_of(Key{1})).error().message,
              "map under_test has values of 8 bytes, 4 were given");
}

TEST(MapKernel, what_is_no_map_is_told_apart) {
    EXPECT_EQ(kind_of(MapView::open(-1)), ErrorKind::no_such_map);
    EXPECT_EQ(kind_of(MapView::open(STDIN_FILENO)), ErrorKind::no_such_map);
    EXPECT_EQ(kind_of(MapView::open_id(0x7fffffff)), ErrorKind::no_such_map);
    const OwnedFd fd = make(BPF_MAP_TYPE_HASH, 4, 8, 4);
    const MapView view = view_of(fd);
    const auto again = MapView::open_id(view.shape().id);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->shape().name, "under_test");
}

TEST(MapKernel, a_view_outlives_the_descriptor_it_came_from) {
    OwnedFd fd = make(BPF_MAP_TYPE_HASH, 4, 8, 4);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map);
    fd.reset();
    ASSERT_TRUE(map->write(1, 2));
    EXPECT_EQ(*map->read(1), 2u);
}

TEST(MapKernel, the_kinds_of_types_are_checked_where_the_map_has_btf) {
    btf* types = btf__new_empty();
    const int u32_type = btf__add_int(types, "unsigned int", 4, 0);
    const int pair = btf__add_struct(types, "pair", 8);
    btf__add_field(types, "a", u32_type, 0, 0);
    btf__add_field(types, "b", u32_type, 32, 0);
    ASSERT_EQ(btf__load_into_kernel(types), 0);
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.btf_fd = static_cast<__u32>(btf__fd(types));
    options.btf_key_type_id = static_cast<__u32>(u32_type);
    options.btf_value_type_id = static_cast<__u32>(pair);
    const OwnedFd fd(bpf_map_create(BPF_MAP_TYPE_HASH, "typed", 4, 8, 4, &options));
    ASSERT_TRUE(fd) << std::strerror(errno);
    btf__free(types);
    struct Pair {
        std::uint32_t a, b;
    };
    const auto right = Map<Key, Pair>::open(fd.get());
    EXPECT_TRUE(right) << right.error().message;
    const auto number = Map<Key, std::uint64_t>::open(fd.get());
    EXPECT_EQ(kind_of(number), ErrorKind::wrong_value_type);
    EXPECT_EQ(number.error().message, "map typed has values of type struct pair, not a whole number");
    EXPECT_EQ(kind_of(Map<float, Pair>::open(fd.get())), ErrorKind::wrong_key_type);
}

TEST(MapKernel, an_array_has_all_its_entries_and_no_others) {
    const OwnedFd fd = make(BPF_MAP_TYPE_ARRAY, 4, 8, 5000);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map);
    ASSERT_TRUE(map->write(4999, 7));
    EXPECT_EQ(*map->read(4999), 7u);
    EXPECT_EQ(*map->read(0), 0u);
    EXPECT_EQ(all(*map).size(), 5000u);
    const auto beyond = map->write(5000, 1);
    EXPECT_EQ(kind_of(beyond), ErrorKind::missing_key);
    EXPECT_EQ(beyond.error().message, "map under_test has 5000 entries, 0 to 4999; there is no entry 5000");
    EXPECT_EQ(kind_of(map->write(1, 1, Write::noexist)), ErrorKind::exists);
    EXPECT_EQ(kind_of(map->erase(1)), ErrorKind::unsupported);
    EXPECT_EQ(kind_of(map->take(1)), ErrorKind::unsupported);
    const std::vector<Key> keys{1, 2, 5001};
    const std::vector<Number> values{1, 2, 3};
    EXPECT_EQ(kind_of(map->write_many(keys, values)), ErrorKind::missing_key);
    ASSERT_EQ(*map->write_many(std::span(keys).first(2), std::span(values).first(2)), 2u);
    EXPECT_EQ(*map->read(2), 2u);
}

class PerCpuKinds : public testing::TestWithParam<bpf_map_type> {};

TEST_P(PerCpuKinds, keep_a_value_for_each_cpu) {
    const OwnedFd fd = make(GetParam(), 4, 4, 64);
    const auto map = PerCpuMap<Key, std::uint32_t>::open(fd.get());
    ASSERT_TRUE(map) << map.error().message;
    EXPECT_EQ(kind_of(Map<Key, std::uint32_t>::open(fd.get())), ErrorKind::unsupported);
    std::vector<std::uint32_t> values(map->view().cpus());
    std::iota(values.begin(), values.end(), 100);
    ASSERT_TRUE(map->write(3, values));
    EXPECT_EQ(*map->read(3), values);
    values.push_back(1);
    EXPECT_EQ(kind_of(map->write(3, values)), ErrorKind::wrong_value_size);
    values.pop_back();
    std::map<Key, std::vector<std::uint32_t>> seen;
    ASSERT_TRUE(map->each([&](Key key, const std::vector<std::uint32_t>& each) { seen[key] = each; }));
    EXPECT_EQ(seen[3], values);
    EXPECT_EQ(seen.size(), GetParam() == BPF_MAP_TYPE_PERCPU_ARRAY ? 64u : 1u);
}

INSTANTIATE_TEST_SUITE_P(Map, PerCpuKinds,
                         testing::Values(BPF_MAP_TYPE_PERCPU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH,
                                         BPF_MAP_TYPE_PERCPU_ARRAY));

TEST(MapKernel, an_lpm_trie_finds_the_longest_prefix) {
    struct Prefix {
        std::uint32_t bits;
        std::uint8_t address[4];
    };
    const OwnedFd fd = make(BPF_MAP_TYPE_LPM_TRIE, 8, 8, 2, BPF_F_NO_PREALLOC);
    const auto map = Map<Prefix, Number>::open(fd.get());
    ASSERT_TRUE(map) << map.error().message;
    ASSERT_TRUE(map->write({8, {10, 0, 0, 0}}, 8));
    ASSERT_TRUE(map->write({24, {10, 1, 2, 0}}, 24));
    EXPECT_EQ(*map->read({32, {10, 1, 2, 3}}), 24u);
    EXPECT_EQ(*map->read({32, {10, 9, 9, 9}}), 8u);
    EXPECT_EQ(kind_of(map->read({32, {192, 0, 2, 1}})), ErrorKind::missing_key);
    EXPECT_EQ(kind_of(map->write({16, {10, 2, 0, 0}}, 16)), ErrorKind::full);
    std::size_t seen = 0;
    ASSERT_TRUE(map->each([&](const Prefix&, Number) { ++seen; }));
    EXPECT_EQ(seen, 2u);
    ASSERT_TRUE(map->erase({24, {10, 1, 2, 0}}));
    EXPECT_EQ(*map->read({32, {10, 1, 2, 3}}), 8u);
}

TEST(MapKernel, a_queue_gives_the_first_and_a_stack_the_last) {
    for (const bpf_map_type type : {BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK}) {
        const OwnedFd fd = make(type, 0, 8, 2);
        const MapView view = view_of(fd);
        Number value = 0;
        EXPECT_EQ(kind_of(view.pop(into(value))), ErrorKind::missing_key);
        ASSERT_TRUE(view.push(bytes_of(Number{1})));
        ASSERT_TRUE(view.push(bytes_of(Number{2})));
        EXPECT_EQ(kind_of(view.push(bytes_of(Number{3}))), ErrorKind::full);
        const Number first = type == BPF_MAP_TYPE_QUEUE ? 1 : 2;
        ASSERT_TRUE(view.peek(into(value)));
        EXPECT_EQ(value, first);
        ASSERT_TRUE(view.pop(into(value)));
        EXPECT_EQ(value, first);
        ASSERT_TRUE(view.pop(into(value)));
        EXPECT_EQ(value, 3 - first);
        EXPECT_EQ(kind_of(view.peek(into(value))), ErrorKind::missing_key);
        EXPECT_EQ(kind_of(view.read({}, into(value))), ErrorKind::unsupported);
        EXPECT_EQ(kind_of(view.each([](Bytes, Bytes) { return true; })), ErrorKind::unsupported);
        std::uint32_t small = 0;
        EXPECT_EQ(kind_of(view.push(bytes_of(small))), ErrorKind::wrong_value_size);
    }
}

TEST(MapKernel, a_bloom_filter_contains_what_was_pushed) {
    const OwnedFd fd = make(BPF_MAP_TYPE_BLOOM_FILTER, 0, 8, 1000);
    const MapView view = view_of(fd);
    for (Number value = 0; value < 100; ++value) ASSERT_TRUE(view.push(bytes_of(value)));
    for (Number value = 0; value < 100; ++value) EXPECT_TRUE(*view.contains(bytes_of(value)));
    int wrong = 0;
    for (Number value = 1000; value < 2000; ++value) wrong += *view.contains(bytes_of(value));
    EXPECT_LT(wrong, 100);
    Number out = 0;
    EXPECT_EQ(kind_of(view.pop(into(out))), ErrorKind::unsupported);
    EXPECT_EQ(kind_of(view.contains(bytes_of(Key{1}))), ErrorKind::wrong_value_size);
}

TEST(MapKernel, a_stack_trace_is_only_written_by_programs) {
    const OwnedFd fd = make(BPF_MAP_TYPE_STACK_TRACE, 4, 8 * 127, 16);
    const MapView view = view_of(fd);
    std::vector<std::byte> value(view.value_bytes());
    EXPECT_EQ(kind_of(view.write(bytes_of(Key{0}), value)), ErrorKind::unsupported);
    EXPECT_EQ(kind_of(view.read(bytes_of(Key{0}), value)), ErrorKind::missing_key);
    EXPECT_EQ(*view.count(), 0u);
}

TEST(MapKernel, maps_in_maps_are_written_by_descriptor_and_read_by_id) {
    const OwnedFd inner = make(BPF_MAP_TYPE_ARRAY, 4, 8, 3);
    for (const bpf_map_type type : {BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS}) {
        bpf_map_create_opts options{};
        options.sz = sizeof options;
        options.inner_map_fd = static_cast<__u32>(inner.get());
        const OwnedFd fd(bpf_map_create(type, "outer", 4, 4, 8, &options));
        ASSERT_TRUE(fd) << std::strerror(errno);
        const auto map = Map<Key, std::uint32_t>::open(fd.get());
        ASSERT_TRUE(map) << map.error().message;
        EXPECT_EQ(kind_of(map->read(2)), ErrorKind::missing_key);
        ASSERT_TRUE(map->write(2, static_cast<std::uint32_t>(inner.get())));
        const auto id = map->read(2);
        ASSERT_TRUE(id) << id.error().message;
        EXPECT_EQ(MapView::open_id(*id)->shape().max_entries, 3u);
        std::map<Key, std::uint32_t> seen;
        ASSERT_TRUE(map->each([&](Key key, std::uint32_t value) { seen[key] = value; }));
        EXPECT_EQ(seen, (std::map<Key, std::uint32_t>{{2, *id}}));
        EXPECT_FALSE(map->write(3, 0x7fff));
        ASSERT_TRUE(map->erase(2));
        EXPECT_EQ(*map->view().count(), 0u);
    }
}

TEST(MapKernel, a_ring_buffer_points_to_its_reader) {
    const OwnedFd fd = make(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096);
    const MapView view = view_of(fd);
    const auto refused = view.read({}, {});
    EXPECT_EQ(kind_of(refused), ErrorKind::unsupported);
    EXPECT_THAT(refused.error().message, HasSubstr("waggle/ring.h reads its records"));
    EXPECT_EQ(kind_of(view.count()), ErrorKind::unsupported);
    EXPECT_TRUE(Ring::open(view.fd()));
}

TEST(MapKernel, a_perf_event_array_takes_perf_events_and_gives_none_back) {
    const OwnedFd fd = make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1);
    const auto map = Map<Key, int>::open(fd.get());
    ASSERT_TRUE(map) << map.error().message;
    perf_event_attr attributes{};
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_BPF_OUTPUT;
    const OwnedFd event(
        static_cast<int>(::syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
    ASSERT_TRUE(event) << std::strerror(errno);
    ASSERT_TRUE(map->write(0, event.get()));
    EXPECT_EQ(kind_of(map->write(1, event.get())), ErrorKind::missing_key);
    EXPECT_EQ(kind_of(map->read(0)), ErrorKind::unsupported);
    ASSERT_TRUE(map->erase(0));
    EXPECT_EQ(kind_of(map->erase(0)), ErrorKind::missing_key);
}

// Storages need BTF types for key and value.
OwnedFd make_storage(bpf_map_type type, int& error) {
    btf* types = btf__new_empty();
    const int key = btf__add_int(types, "int", 4, BTF_INT_SIGNED);
    const int value = btf__add_int(types, "unsigned long long", 8, 0);
    EXPECT_EQ(btf__load_into_kernel(types), 0);
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_NO_PREALLOC;
    options.btf_fd = static_cast<__u32>(btf__fd(types));
    options.btf_key_type_id = static_cast<__u32>(key);
    options.btf_value_type_id = static_cast<__u32>(value);
    OwnedFd fd(bpf_map_create(type, "storage", 4, 8, 0, &options));
    error = errno;
    btf__free(types);
    return fd;
}

void round_trip_storage(const OwnedFd& storage, int owner, int other) {
    const auto map = Map<int, Number>::open(storage.get());
    ASSERT_TRUE(map) << map.error().message;
    EXPECT_EQ(map->view().shape().max_entries, 0u);
    EXPECT_EQ(kind_of(map->read(owner)), ErrorKind::missing_key);
    const auto wrote = map->write(owner, 5, Write::noexist);
    ASSERT_TRUE(wrote) << wrote.error().message;
    EXPECT_EQ(kind_of(map->write(owner, 6, Write::noexist)), ErrorKind::exists);
    ASSERT_TRUE(map->write(owner, 7));
    EXPECT_EQ(*map->read(owner), 7u);
    EXPECT_EQ(kind_of(map->read(other)), ErrorKind::missing_key);
    EXPECT_FALSE(map->read(-1));
    EXPECT_EQ(kind_of(map->view().count()), ErrorKind::unsupported);
    EXPECT_EQ(kind_of(map->take(owner)), ErrorKind::unsupported);
    ASSERT_TRUE(map->erase(owner));
    EXPECT_EQ(kind_of(map->erase(owner)), ErrorKind::missing_key);
}

TEST(MapKernel, a_task_storage_keeps_a_value_for_a_task) {
    int error = 0;
    const OwnedFd fd = make_storage(BPF_MAP_TYPE_TASK_STORAGE, error);
    ASSERT_TRUE(fd) << std::strerror(error);
    const OwnedFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    const OwnedFd parent(static_cast<int>(::syscall(SYS_pidfd_open, 1, 0)));
    round_trip_storage(fd, self.get(), parent.get());
}

TEST(MapKernel, a_socket_storage_keeps_a_value_for_a_socket) {
    int error = 0;
    const OwnedFd fd = make_storage(BPF_MAP_TYPE_SK_STORAGE, error);
    ASSERT_TRUE(fd) << std::strerror(error);
    const OwnedFd one(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const OwnedFd other(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    round_trip_storage(fd, one.get(), other.get());
}

TEST(MapKernel, an_inode_storage_works_where_the_kernel_has_bpf_lsm) {
    int error = 0;
    const OwnedFd fd = make_storage(BPF_MAP_TYPE_INODE_STORAGE, error);
    if (!fd) {
        // Built only with CONFIG_BPF_LSM.
        EXPECT_EQ(error, EINVAL) << std::strerror(error);
        return;
    }
    const OwnedFd one(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    const OwnedFd other(::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    ASSERT_TRUE(one && other);
    round_trip_storage(fd, one.get(), other.get());
}

TEST(MapKernel, a_frozen_map_is_read_and_not_written) {
    const OwnedFd fd = make(BPF_MAP_TYPE_ARRAY, 4, 8, 4);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map);
    ASSERT_EQ(bpf_map_freeze(fd.get()), 0);
    EXPECT_EQ(*map->read(1), 0u);
    const auto refused = map->write(1, 1);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("frozen"));
}

TEST(MapKernel, an_entry_can_be_erased_by_the_walk_that_shows_it) {
    const OwnedFd fd = make(BPF_MAP_TYPE_HASH, 4, 8, 100);
    const auto map = Map<Key, Number>::open(fd.get());
    ASSERT_TRUE(map);
    for (Key key = 0; key < 100; ++key) ASSERT_TRUE(map->write(key, key));
    std::size_t seen = 0;
    ASSERT_TRUE(map->view().each_one_by_one([&](Bytes key, Bytes) {
        ++seen;
        return static_cast<bool>(map->view().erase(key));
    }));
    EXPECT_EQ(seen, 100u);
    EXPECT_EQ(*map->view().count(), 0u);
}

}  // namespace
}  // namespace waggle
