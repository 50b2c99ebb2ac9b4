// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// what: sees no test against data_end
// code: if ((void *)data + 14 > (void *)(long)ctx->data_end) return XDP_PASS;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int read_type(struct xdp_md* ctx) {
    __u8* data = (void*)(long)ctx->data;
    /* fault */
    return *(__u16*)(data + 12) == 8 ? XDP_DROP : XDP_PASS;
}
// applied: code
