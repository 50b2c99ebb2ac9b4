// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// what: bpf_map_lookup_elem() gets
// what: as argument 2
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

SEC("raw_tp/sched_switch")
int lookup(void* ctx) {
    /* fault */
    return bpf_map_lookup_elem(&counts, (void*)7) != 0;
}
// applied: code
