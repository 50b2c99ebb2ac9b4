// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// applied: code
// since: 6.12
// code: { __auto_type copy = bpf_map_lookup_percpu_elem(&counts, &key, cpu); if (!copy)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} counts SEC(".maps");

SEC("tc")
int total(struct __sk_buff* skb) {
    __u32 key = 0;
    __u64 sum = 0;
    for (int cpu = 0; cpu < 4; cpu++) /* fault */
        sum += *(__u64*)bpf_map_lookup_percpu_elem(&counts, &key, cpu);
    return sum > 1000;
}
