// SPDX-License-Identifier: GPL-2.0
// kind: misaligned_access
// applied: sentence
// remedy: without __attribute__((packed))
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct wire {
    __u8 kind;
    __u32 value;
    __u16 port;
} __attribute__((packed));
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __type(key, struct wire);
    __type(value, __u32);
} wires SEC(".maps");
SEC("xdp")
int look(struct xdp_md* ctx) {
    struct wire key = {};
#ifdef APPLIED
    __u32 queue = ctx->rx_queue_index;
    for (int i = 0; i < 4; i++) ((volatile char*)&key)[1 + i] = queue >> (8 * i);
#else
    /* fault */
    *(volatile __u32*)((char*)&key + 1) = ctx->rx_queue_index;
#endif
    key.kind = 1;
    return bpf_map_lookup_elem(&wires, &key) ? XDP_DROP : XDP_PASS;
}
