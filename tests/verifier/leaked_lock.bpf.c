// SPDX-License-Identifier: GPL-2.0
// kind: leaked_lock
// what: The lock taken by bpf_spin_lock() in line
// code: bpf_spin_unlock(&slot->lock);
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
int forget(struct __sk_buff* skb) {
    __u32 key = 0;
    struct slot* slot = bpf_map_lookup_elem(&slots, &key);
    if (!slot) return 0;
    /* fault */
    bpf_spin_lock(&slot->lock);
    slot->count++;
    return 0;
}
// applied: code
