// SPDX-License-Identifier: GPL-2.0
// kind: lock_misuse
// applied: sentence
// what: cannot use bpf_spin_lock
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct slot {
#ifndef APPLIED
    struct bpf_spin_lock lock;
#endif
    __u32 count;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slot);
} slots SEC(".maps");

SEC("raw_tp/sched_switch")
int trace(void* ctx) {
    __u32 key = 0;
    struct slot* slot = bpf_map_lookup_elem(&slots, &key);
    if (!slot) return 0;
#ifdef APPLIED
    __sync_fetch_and_add(&slot->count, 1);
#else
    bpf_spin_lock(&slot->lock);
    slot->count++;
    bpf_spin_unlock(&slot->lock);
#endif
    return 0;
}
