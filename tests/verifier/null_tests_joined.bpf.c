// SPDX-License-Identifier: GPL-2.0
// kind: pointer_arithmetic possibly_null_pointer
// applied: code
// code: if (!first) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

SEC("tc")
int add(struct __sk_buff* skb) {
    __u32 key = 1;
    __u64* first = bpf_map_lookup_elem(&counts, &key);
    key = 2;
    __u64* second = bpf_map_lookup_elem(&counts, &key);
    /* fault */
    if (!first && !second) return 0;
    return *first + *second;
}
