// SPDX-License-Identifier: GPL-2.0
// kind: call_depth
// what: at once or through others
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int factorial(volatile int number) {
    int copy = number;
    if (copy < 2) return 1;
    /* fault */
    return copy * factorial(copy - 1) + factorial(copy - 2);
}

SEC("xdp")
int compute(struct xdp_md* ctx) { return factorial(ctx->rx_queue_index) ? XDP_PASS : XDP_DROP; }
