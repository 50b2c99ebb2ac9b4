// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// applied: code
// what: only says that the packet is not longer than that
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int read_type(struct xdp_md* ctx) {
    __u8* data = (void*)(long)ctx->data;
    __u8* data_end = (void*)(long)ctx->data_end;
    if (data + 14 < data_end) return XDP_PASS;
    /* fault */
    return data[13] == 6 ? XDP_DROP : XDP_PASS;
}
