// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// applied: code
// code: if (!known) return XDP_PASS;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct conn {
    __u32 state;
    __u32 drops;
};
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 64);
    __type(key, __u32);
    __type(value, struct conn);
} conns SEC(".maps");
SEC("xdp")
int track(struct xdp_md* ctx) {
    __u32 key = ctx->rx_queue_index;
    struct conn* known = bpf_map_lookup_elem(&conns, &key);
    /* fault */
    __u32 state = known->state;
    if (known == NULL || state == 3) return XDP_PASS;
    known->drops++;
    return XDP_DROP;
}
