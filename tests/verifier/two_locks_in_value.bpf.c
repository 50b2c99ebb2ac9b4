// SPDX-License-Identifier: GPL-2.0
// kind: lock_misuse
// applied: sentence
// what: more than one
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct value {
#ifdef APPLIED
    struct bpf_spin_lock first;
#else
    struct bpf_spin_lock first, second;
#endif
    __u64 count;
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, struct value);
} values SEC(".maps");

SEC("tc")
int count(struct __sk_buff* skb) {
    __u32 key = 1;
    struct value* value = bpf_map_lookup_elem(&values, &key);
    if (!value) return 0;
    /* fault */
    bpf_spin_lock(&value->first);
    value->count++;
    bpf_spin_unlock(&value->first);
    return 0;
}
