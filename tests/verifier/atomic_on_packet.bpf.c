// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// code: word[2] += 1;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int hop(struct xdp_md* ctx) {
    __u32 *word = (void*)(long)ctx->data, *end = (void*)(long)ctx->data_end;
    if (word + 4 > end) return XDP_PASS;
    /* fault */
    __sync_fetch_and_add(&word[2], 1);
    return XDP_TX;
}
