// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds unbounded_offset
// applied: code
// since: 6.12
// code: if (offset > 0xf000)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int walk(struct xdp_md* ctx) {
    __u8 *data = (void*)(long)ctx->data, *data_end = (void*)(long)ctx->data_end;
    __u32 offset = 34;
    for (int i = 0; i < 6; i++) {
        if (data + offset + 2 > data_end) return XDP_PASS;
        /* fault */
        __u16 length = *(__u16*)(data + offset);
        offset += length;
    }
    return offset > 200 ? XDP_DROP : XDP_PASS;
}
