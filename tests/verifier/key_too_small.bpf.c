// SPDX-License-Identifier: GPL-2.0
// kind: stack_out_of_bounds
// applied: code
// what: bpf_map_lookup_elem() reads a key of 8 bytes
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u64);
    __type(value, __u64);
} counts SEC(".maps");

SEC("tc")
int look(struct __sk_buff* skb) {
    __u32 key = 0;
    /* fault */
    return bpf_map_lookup_elem(&counts, &key) != 0;
}
