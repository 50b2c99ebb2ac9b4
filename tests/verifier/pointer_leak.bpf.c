// SPDX-License-Identifier: GPL-2.0
// kind: pointer_leak return_value
// applied: sentence
// what: address
// without: CAP_PERFMON
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

SEC("socket")
int leak(struct __sk_buff* skb) {
    __u32 key = 7;
    __u64* count = bpf_map_lookup_elem(&counts, &key);
    if (!count) return 0;
#ifdef APPLIED
    *count = skb->len;
#else
    /* fault */
    *count = (__u64)skb;
#endif
    return 0;
}
