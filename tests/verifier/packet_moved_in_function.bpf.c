// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// what: bpf_xdp_adjust_head() in line
// because: bpf_xdp_adjust_head() voided all packet pointers
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int grow(struct xdp_md* ctx) { return bpf_xdp_adjust_head(ctx, -4); }

SEC("xdp")
int mark(struct xdp_md* ctx) {
    __u8* data = (void*)(long)ctx->data;
    __u8* data_end = (void*)(long)ctx->data_end;
    if (data + 14 > data_end) return XDP_DROP;
    if (data[12] == 8 && grow(ctx)) return XDP_DROP;
    /* fault */
    data[0] = 1;
    return XDP_PASS;
}
// applied: code
