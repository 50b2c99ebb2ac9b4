// SPDX-License-Identifier: Apache-2.0
#include "waggle/map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/descriptor.h"
#include "base/text.h"
#include "engine/maps/map_abilities.h"
#include "engine/support/hook_kinds.h"
#include "waggle/object.h"

namespace waggle {
namespace {

using namespace kernel;

// The kernel's own number for "not supported"; user space has no name for it.
constexpr int kernel_enotsupp = 524;

static_assert(static_cast<int>(MapKind::lru_percpu_hash) == BPF_MAP_TYPE_LRU_PERCPU_HASH);
static_assert(static_cast<int>(MapKind::hash_of_maps) == BPF_MAP_TYPE_HASH_OF_MAPS);
static_assert(static_cast<int>(MapKind::socket_storage) == BPF_MAP_TYPE_SK_STORAGE);
static_assert(static_cast<int>(MapKind::queue) == BPF_MAP_TYPE_QUEUE);
static_assert(static_cast<int>(MapKind::ring_buffer) == BPF_MAP_TYPE_RINGBUF);
static_assert(static_cast<int>(MapKind::inode_storage) == BPF_MAP_TYPE_INODE_STORAGE);
static_assert(static_cast<int>(MapKind::task_storage) == BPF_MAP_TYPE_TASK_STORAGE);
static_assert(static_cast<int>(MapKind::bloom_filter) == BPF_MAP_TYPE_BLOOM_FILTER);

// The kernel answers with a program's description for a program's descriptor, so the kind of the descriptor
// is asked of /proc.
bool is_map(int fd) { return path_of_descriptor(fd).find("bpf-map") != std::string::npos; }

std::string_view ability_words(std::uint32_t ability) {
    switch (ability) {
        case can_read:
            return "read by key";
        case can_write:
            return "written by key";
        case can_erase:
            return "erased from";
        case can_take:
            return "read and erased in one step";
        case can_walk:
            return "walked";
        case can_push:
            return "pushed to";
        case can_pop:
            return "popped from";
        case can_contain:
            return "asked whether it contains a value";
    }
    return "used so";
}

std::uint64_t flags_of(Write how) {
    switch (how) {
        case Write::any:
            return BPF_ANY;
        case Write::noexist:
            return BPF_NOEXIST;
        case Write::exist:
            return BPF_EXIST;
    }
    return BPF_ANY;
}

}  // namespace

std::string map_kind_name(MapKind kind) {
    const char* name = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(kind));
    return name ? name : fmt::format("map type {}", static_cast<std::uint32_t>(kind));
}

Result<MapView> MapView::adopt(OwnedFd fd) {
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
        return Error{fmt::format("cannot read the map's description: {}", std::strerror(errno))};
    MapView view;
    view.fd_ = std::move(fd);
    view.shape_ = {escape_control(std::string_view(info.name, strnlen(info.name, sizeof info.name))),
                   info.id,
                   static_cast<MapKind>(info.type),
                   info.key_size,
                   info.value_size,
                   info.max_entries,
                   info.map_flags,
                   info.btf_id,
                   info.btf_key_type_id,
                   info.btf_value_type_id};
    view.value_bytes_ = info.value_size;
    if (view.is_per_cpu()) {
        const int cpus = libbpf_num_possible_cpus();
        if (cpus < 1) return Error{"the number of possible CPUs is not to be had from /sys"};
        view.cpus_ = static_cast<std::size_t>(cpus);
        view.value_bytes_ = (std::size_t{info.value_size} + 7) / 8 * 8 * view.cpus_;
    }
    return view;
}

Result<MapView> MapView::open(int fd) {
    OwnedFd own(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!own)
        return Error{fmt::format("descriptor {} is no map: {}", fd, std::strerror(errno)),
                     ErrorKind::no_such_map};
    if (!is_map(own.get())) return Error{fmt::format("descriptor {} is no map", fd), ErrorKind::no_such_map};
    return adopt(std::move(own));
}

Result<MapView> MapView::open(const Object& object, std::string_view name) {
    const Result<int> fd = object.map_fd(name);
    if (!fd) return Error{fd.error().message, ErrorKind::no_such_map};
    Result<MapView> view = open(*fd);
    // The kernel keeps 15 characters of a name; the object knows all of it.
    if (view) view->shape_.name = name;
    return view;
}

Result<MapView> MapView::open_id(std::uint32_t id) {
    OwnedFd fd(bpf_map_get_fd_by_id(id));
    if (fd) return adopt(std::move(fd));
    if (errno == ENOENT)
        return Error{fmt::format("the kernel has no map of number {}", id), ErrorKind::no_such_map};
    return Error{fmt::format("cannot open map {}: {}", id, std::strerror(errno)),
                 errno == EPERM ? ErrorKind::privilege : ErrorKind::failed};
}

bool MapView::is_per_cpu() const {
    return shape_.kind == MapKind::percpu_hash || shape_.kind == MapKind::percpu_array ||
           shape_.kind == MapKind::lru_percpu_hash ||
           static_cast<int>(shape_.kind) == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

Result<void> MapView::check(std::uint32_t ability, std::string_view what) const {
    const MapAbilities abilities = abilities_of(shape_.kind);
    if (abilities.can & ability) return {};
    return Error{
        fmt::format("{} map {}: a {} cannot be {}{}{}", what, shape_.name, map_kind_name(shape_.kind),
                    ability_words(ability), abilities.instead.empty() ? "" : "; ", abilities.instead),
        ErrorKind::unsupported};
}

Result<void> MapView::check_key(Bytes key) const {
    if (key.size() != shape_.key_size)
        return Error{fmt::format("map {} has keys of {} bytes, {} were given", shape_.name, shape_.key_size,
                                 key.size()),
                     ErrorKind::wrong_key_size};
    // The kernel has one word (E2BIG) for "beyond the end" and "full".
    if (abilities_of(shape_.kind).indexed && load<std::uint32_t>(key) >= shape_.max_entries)
        return Error{fmt::format("map {} has {} entries, 0 to {}; there is no entry {}", shape_.name,
                                 shape_.max_entries, shape_.max_entries - 1, load<std::uint32_t>(key)),
                     ErrorKind::missing_key};
    return {};
}

Result<void> MapView::check_value(std::size_t size) const {
    if (size == value_bytes_) return {};
    return Error{
        is_per_cpu()
            ? fmt::format("map {} has values of {} bytes for {} CPUs, {} in all; {} were given", shape_.name,
                          shape_.value_size, cpus_, value_bytes_, size)
            : fmt::format("map {} has values of {} bytes, {} were given", shape_.name, value_bytes_, size),
        ErrorKind::wrong_value_size};
}

Error MapView::failure(std::string_view doing, int error) const {
    const std::string head = fmt::format("{} map {}: ", doing, shape_.name);
    switch (error) {
        case ENOENT:
            return {head + "it has no such entry", ErrorKind::missing_key};
        case EEXIST:
            return {head + "the entry is there already", ErrorKind::exists};
        case E2BIG:
        case ENOSPC:
            return {head + fmt::format("it is full with {} entries", shape_.max_entries), ErrorKind::full};
        case EOPNOTSUPP:
        case kernel_enotsupp:
            return {head + fmt::format("this kernel does not do it for a {}", map_kind_name(shape_.kind)),
                    ErrorKind::unsupported};
        case EPERM:
            if (!missing_to_watch().empty()) return {head + missing_to_watch(), ErrorKind::privilege};
            return {head + "it is frozen, or opened for one direction only (EPERM)"};
        case EBADF:
            return {head + "the given descriptor is not of the kind that this map wants (EBADF)"};
        default:
            return {head + std::strerror(error)};
    }
}

Result<void> MapView::read(Bytes key, std::span<std::byte> value) const {
    if (auto can = check(can_read, "read"); !can) return can;
    if (auto fits = check_key(key); !fits) return fits;
    if (auto fits = check_value(value.size()); !fits) return fits;
    if (bpf_map_lookup_elem(fd_.get(), key.data(), value.data()) != 0) return failure("read", errno);
    return {};
}

Result<std::vector<std::byte>> MapView::read(Bytes key) const {
    std::vector<std::byte> value(value_bytes_);
    if (auto done = read(key, value); !done) return done.error();
    return value;
}

Result<void> MapView::write(Bytes key, Bytes value, Write how) const {
    if (auto can = check(can_write, "write"); !can) return can;
    if (auto fits = check_key(key); !fits) return fits;
    if (auto fits = check_value(value.size()); !fits) return fits;
    if (bpf_map_update_elem(fd_.get(), key.data(), value.data(), flags_of(how)) != 0)
        return failure("write", errno);
    return {};
}

Result<void> MapView::erase(Bytes key) const {
    if (auto can = check(can_erase, "erase from"); !can) return can;
    if (auto fits = check_key(key); !fits) return fits;
    if (bpf_map_delete_elem(fd_.get(), key.data()) != 0) return failure("erase from", errno);
    return {};
}

Result<void> MapView::take(Bytes key, std::span<std::byte> value) const {
    if (auto can = check(can_take, "take from"); !can) return can;
    if (auto fits = check_key(key); !fits) return fits;
    if (auto fits = check_value(value.size()); !fits) return fits;
    if (bpf_map_lookup_and_delete_elem(fd_.get(), key.data(), value.data()) != 0)
        return failure("take from", errno);
    return {};
}

Result<void> MapView::push(Bytes value) const {
    if (auto can = check(can_push, "push to"); !can) return can;
    if (auto fits = check_value(value.size()); !fits) return fits;
    if (bpf_map_update_elem(fd_.get(), nullptr, value.data(), BPF_ANY) != 0) return failure("push to", errno);
    return {};
}

Result<void> MapView::pop(std::span<std::byte> value) const {
    if (auto can = check(can_pop, "pop from"); !can) return can;
    if (auto fits = check_value(value.size()); !fits) return fits;
    if (bpf_map_lookup_and_delete_elem(fd_.get(), nullptr, value.data()) != 0) {
        if (errno == ENOENT)
            return Error{fmt::format("map {} is empty", shape_.name), ErrorKind::missing_key};
        return failure("pop from", errno);
    }
    return {};
}

Result<void> MapView::peek(std::span<std::byte> value) const {
    if (auto can = check(can_pop, "peek into"); !can) return can;
    if (auto fits = check_value(value.size()); !fits) return fits;
    if (bpf_map_lookup_elem(fd_.get(), nullptr, value.data()) != 0) {
        if (errno == ENOENT)
            return Error{fmt::format("map {} is empty", shape_.name), ErrorKind::missing_key};
        return failure("peek into", errno);
    }
    return {};
}

Result<bool> MapView::contains(Bytes value) const {
    if (auto can = check(can_contain, "ask"); !can) return can.error();
    if (auto fits = check_value(value.size()); !fits) return fits.error();
    // The kernel only reads the value here; the call is the one that fills it for other maps.
    if (bpf_map_lookup_elem(fd_.get(), nullptr, const_cast<std::byte*>(value.data())) == 0) return true;
    if (errno == ENOENT) return false;
    return failure("ask", errno);
}

}  // namespace waggle
