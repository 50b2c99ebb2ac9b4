// SPDX-License-Identifier: GPL-2.0
// kind: uninitialised_stack
// applied: code
// what: never written
// code: __builtin_memset(&key, 0, sizeof(key));
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
int lookup(struct __sk_buff* skb) {
    __u32 key;
    /* fault */
    return bpf_map_lookup_elem(&counts, &key) != 0;
}
