// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// what: entry (R2) can be null
// code: if (!entry) return 0;
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
int count(void* ctx) {
    __u32 key = 7;
    __u64* entry = bpf_map_lookup_elem(&counts, &key);
    /* fault */
    bpf_map_delete_elem(&counts, entry);
    return 0;
}
// applied: code
