// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// what: counter (R1) is null here: line
// because: bpf_map_lookup_elem() gave a pointer into a map's value, or null
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
int show(void* ctx) {
    __u32 key = 5;
    volatile __u64* counter = bpf_map_lookup_elem(&counts, &key);
    if (counter == NULL) {
        /* fault */
        __u64 old = *counter;
        bpf_printk("%llu", old);
    }
    return 0;
}
// applied: code
