// SPDX-License-Identifier: GPL-2.0
// kind: invalid_map
// applied: sentence
// what: bpf_map_lookup_elem() looks for a key, and the map ring is of a type without keys
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
#ifdef APPLIED
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, __u32);
    __type(value, __u64);
#else
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
#endif
} ring SEC(".maps");

SEC("tc")
int look(struct __sk_buff* skb) {
    __u32 key = 0;
    /* fault */
    return bpf_map_lookup_elem(&ring, &key) != 0;
}
