// SPDX-License-Identifier: GPL-2.0
// kind: lock_held_across_call
// applied: sentence
// what: bpf_ktime_get_ns() is called between bpf_spin_lock() and bpf_spin_unlock()
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct slot {
    struct bpf_spin_lock lock;
    __u32 count;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct slot);
} slots SEC(".maps");

SEC("tc")
int call(struct __sk_buff* skb) {
    __u32 key = 0;
    struct slot* slot = bpf_map_lookup_elem(&slots, &key);
    if (!slot) return 0;
#ifdef APPLIED
    __u32 now = bpf_ktime_get_ns();
    bpf_spin_lock(&slot->lock);
#else
    bpf_spin_lock(&slot->lock);
#endif
#ifdef APPLIED
    slot->count = now;
#else
    /* fault */
    slot->count = bpf_ktime_get_ns();
#endif
    bpf_spin_unlock(&slot->lock);
    return 0;
}
