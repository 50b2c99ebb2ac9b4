// SPDX-License-Identifier: GPL-2.0
// kind: call_depth
// applied: sentence
// what: at once or through others
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#ifdef APPLIED
static __attribute__((noinline)) int factorial(int number) {
    int product = 1;
    for (int i = 2; i < 13; i++)
        if (i <= number) product *= i;
    return product;

#else
static __attribute__((noinline)) int factorial(volatile int number) {
    int copy = number;
    if (copy < 2) return 1;
    /* fault */
    return copy * factorial(copy - 1) + factorial(copy - 2);
#endif
}

SEC("xdp")
int compute(struct xdp_md* ctx) { return factorial(ctx->rx_queue_index) ? XDP_PASS : XDP_DROP; }
