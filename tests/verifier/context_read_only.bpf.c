// SPDX-License-Identifier: GPL-2.0
// kind: context_out_of_bounds
// applied: sentence
// what: A program of section xdp cannot write ctx->ingress_ifindex (4 bytes at offset 12 of its context)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int change(struct xdp_md* ctx) {
#ifndef APPLIED
    /* fault */
    ctx->ingress_ifindex = 3;
#endif
    return XDP_PASS;
}
