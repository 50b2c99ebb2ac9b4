// SPDX-License-Identifier: GPL-2.0
// kind: read_only
// what: map that programs can only read
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */
#ifndef APPLIED
#define APPLIED 0
#endif
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, APPLIED ? 0 : BPF_F_RDONLY_PROG);
    __type(key, __u32);
    __type(value, __u64);
} settings SEC(".maps");

SEC("raw_tp/sched_switch")
int change(void* ctx) {
    __u32 key = 0;
    __u64* setting = bpf_map_lookup_elem(&settings, &key);
    if (!setting) return 0;
    /* fault */
    *setting = 5;
    return 0;
}

char LICENSE[] SEC("license") = "GPL";
// applied: sentence
