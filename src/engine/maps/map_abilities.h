// SPDX-License-Identifier: Apache-2.0
// What user space can do with each kind of map. The kernel's own answers (EINVAL, ENOTSUPP, EOPNOTSUPP)
// differ between versions and do not say what to do instead.
#pragma once

#include <cstdint>
#include <string_view>

#include "waggle/map.h"

namespace waggle::kernel {

enum MapAbility : std::uint32_t {
    can_read = 1u << 0,
    can_write = 1u << 1,
    can_erase = 1u << 2,
    can_take = 1u << 3,
    can_walk = 1u << 4,
    can_push = 1u << 5,
    can_pop = 1u << 6,  // and peek
    can_contain = 1u << 7,
    can_batch = 1u << 8,
    can_take_batch = 1u << 9,
};

struct MapAbilities {
    std::uint32_t can = 0;
    bool indexed = false;  // keys are 0 … max_entries - 1
    std::string_view instead;
};

inline MapAbilities abilities_of(MapKind kind) {
    constexpr std::uint32_t table = can_read | can_write | can_erase | can_walk;
    switch (kind) {
        case MapKind::hash:
        case MapKind::lru_hash:
        case MapKind::percpu_hash:
        case MapKind::lru_percpu_hash:
            return {table | can_take | can_batch | can_take_batch, false, ""};
        case MapKind::array:
        case MapKind::percpu_array:
            return {can_read | can_write | can_walk | can_batch, true, "write zeros instead"};
        case MapKind::lpm_trie:
        case MapKind::hash_of_maps:
            return {table | can_batch, false, ""};
        case MapKind::array_of_maps:
        case MapKind::program_array:
            // An empty slot ends a batch with EINTR before 6.2, so these are read one by one.
            return {table, true, ""};
        case MapKind::perf_event_array:
            return {can_write | can_erase, true, "waggle/perf_buffer.h reads its records"};
        case MapKind::cgroup_array:
            return {can_write | can_erase, true, "it takes descriptors of cgroups and gives none back"};
        case MapKind::stack_trace:
            return {can_read | can_erase | can_walk, false, "only programs write it (bpf_get_stackid)"};
        case MapKind::queue:
        case MapKind::stack:
            return {can_push | can_pop, false, "it has no keys: push, pop and peek"};
        case MapKind::bloom_filter:
            return {can_push | can_contain, false, "it has no keys: push and contains"};
        case MapKind::ring_buffer:
            return {0, false, "waggle/ring.h reads its records"};
        case MapKind::task_storage:
            return {can_read | can_write | can_erase, false, "ask for each task by its pidfd"};
        case MapKind::inode_storage:
            return {can_read | can_write | can_erase, false, "ask for each file by its descriptor"};
        case MapKind::socket_storage:
            return {can_read | can_write | can_erase, false, "ask for each socket by its descriptor"};
    }
    // Of a kind that came later nothing is known: the kernel answers.
    return {table, false, ""};
}

}  // namespace waggle::kernel
