// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// what: bytes of the packet's metadata
// code: if ((void *)meta + 4 > (void *)(long)ctx->data) return XDP_PASS;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int tag(struct xdp_md* ctx) {
    __u32* meta = (void*)(long)ctx->data_meta;
    /* fault */
    meta[0] = 42;
    return XDP_PASS;
}
// applied: code
