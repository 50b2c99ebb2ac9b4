// SPDX-License-Identifier: GPL-2.0
// since: 6.12
// kind: unbounded_offset
// applied: code
// what: comes from bucket()
// code: which >= 12
// remedy: static
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u32 counts[12];
__attribute__((noinline)) int bucket(int len) {
    int n = 0;
    while (n < 11 && len > 64) {
        len >>= 1;
        n++;
    }
    return n;
}
SEC("xdp")
int sizes(struct xdp_md* ctx) {
    int which = bucket(ctx->data_end - ctx->data);
    /* fault */
    counts[which]++;
    return XDP_PASS;
}
