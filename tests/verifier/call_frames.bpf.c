// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// what: counter (R
// because: it was given to a function of the program as R1
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

static __attribute__((noinline)) int raise(__u64* counter) {
    /* fault */
    *counter += 1;
    return 0;
}

SEC("raw_tp/sched_switch")
int count(void* ctx) {
    __u32 key = 7;
    return raise(bpf_map_lookup_elem(&counts, &key));
}
// applied: code
