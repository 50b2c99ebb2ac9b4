// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// applied: code
// since: 6.18
// what: shrink() in line
// code: if ((void *)data + 1 > (void *)data_end) return XDP_PASS;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__attribute__((noinline)) int shrink(struct xdp_md* ctx) { return bpf_xdp_adjust_tail(ctx, -4); }

SEC("xdp")
int trim(struct xdp_md* ctx) {
    __u8* data = (__u8*)(long)ctx->data;
    __u8* data_end = (__u8*)(long)ctx->data_end;
    if (data + 14 > data_end) return XDP_PASS;
    /* clang-format off */
    if (shrink(ctx))
        return XDP_DROP;
    /* clang-format on */
    /* fault */
    data[0] = 2;
    return XDP_PASS;
}
