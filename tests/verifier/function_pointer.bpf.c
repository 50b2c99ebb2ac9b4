// SPDX-License-Identifier: GPL-2.0
// kind: indirect
// applied: sentence
// remedy: by its name
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int low(struct xdp_md* c) { return c->ingress_ifindex; }
static __attribute__((noinline)) int high(struct xdp_md* c) { return c->rx_queue_index; }
static int (*const handlers[2])(struct xdp_md*) = {low, high};
SEC("xdp")
int dispatch(struct xdp_md* ctx) {
#ifdef APPLIED
    return (ctx->ingress_ifindex & 1 ? high(ctx) : low(ctx)) ? XDP_PASS : XDP_DROP;
#else
    /* fault */
    return handlers[ctx->ingress_ifindex & 1](ctx) ? XDP_PASS : XDP_DROP;
#endif
}
