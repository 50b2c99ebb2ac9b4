// SPDX-License-Identifier: GPL-2.0
// kind: wrong_helper
// applied: code
// what: bpf_skb_load_bytes() cannot be called from a program of this type (xdp)
// code: bpf_xdp_load_bytes(ctx, 0, bytes, sizeof(bytes));
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int load(struct xdp_md* ctx) {
    char bytes[16];
    /* fault */
    bpf_skb_load_bytes(ctx, 0, bytes, sizeof(bytes));
    return bytes[0] ? XDP_PASS : XDP_DROP;
}
