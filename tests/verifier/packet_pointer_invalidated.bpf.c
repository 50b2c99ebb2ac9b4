// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// what: bpf_xdp_adjust_head() in line
// code: data = (void *)(long)ctx->data; data_end
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int shift(struct xdp_md* ctx) {
    __u8* data = (void*)(long)ctx->data;
    __u8* data_end = (void*)(long)ctx->data_end;
    if (data + 14 > data_end) return XDP_PASS;
    if (bpf_xdp_adjust_head(ctx, 4)) return XDP_PASS;
    /* fault */
    return data[12] == 8 ? XDP_DROP : XDP_PASS;
}
// applied: code
