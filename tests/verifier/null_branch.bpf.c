// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// what: counter (R6) is null here: line
// code: if (!counter) return XDP_PASS;
// because: so R6 was the number 0
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
int count(struct xdp_md* ctx) {
    __u32 key = ctx->ingress_ifindex;
    __u64 one = 1, *counter = bpf_map_lookup_elem(&counts, &key);
    if (!counter) bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST);
    /* fault */
    __sync_fetch_and_add(counter, 1);
    return XDP_PASS;
}
// applied: code
