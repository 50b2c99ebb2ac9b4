// SPDX-License-Identifier: GPL-2.0
// kind: scalar_dereference
// applied: sentence
// what: The program changes what counter (R1) points to
// remedy: writes only to memory of its own
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u64);
} addresses SEC(".maps");

SEC("raw_tp/sched_switch")
int count(void* ctx) {
    __u64* address = bpf_map_lookup_elem(&addresses, &(__u32){0});
    if (!address) return 0;
    long* counter = (long*)*address;
#ifdef APPLIED
    *address += (long)counter;
#else
    /* fault */
    *counter += 2;
#endif
    return 0;
}
