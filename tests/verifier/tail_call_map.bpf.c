// SPDX-License-Identifier: GPL-2.0
// kind: invalid_map
// what: bpf_tail_call() gets the map counts, which is no array of programs
// code: BPF_MAP_TYPE_PROG_ARRAY
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

SEC("xdp")
int jump(struct xdp_md* ctx) {
    /* fault */
    bpf_tail_call(ctx, &counts, 1);
    return XDP_PASS;
}
