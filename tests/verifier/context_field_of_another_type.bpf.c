// SPDX-License-Identifier: GPL-2.0
// kind: context_out_of_bounds
// applied: sentence
// what: ctx->egress_ifindex
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u32 out;
SEC("xdp")
int leave(struct xdp_md* ctx) {
#ifndef APPLIED
    /* fault */
    out = ctx->egress_ifindex;
#endif
    return XDP_PASS;
}
