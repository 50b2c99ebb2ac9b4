// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// applied: code
// since: 6.12
// code: for (int round = 0; round < 16 && (
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int extensions(struct xdp_md* ctx) {
    __u8* data_end = (__u8*)(long)ctx->data_end;
    __u8* data = (__u8*)(long)ctx->data;
    int found = 0;
    if (data + 54 > data_end) return XDP_PASS;
    __u8 next = data[20];
    __u8* at = data + 54;
    while (next != 59) {
        if (at + 2 > data_end) return XDP_PASS;
        /* fault within 8 */
        if (next == 44) return XDP_DROP;
        if (next == 0) found |= 1;
        if (next == 43) found |= 2;
        if (next == 60) found |= 4;
        if (next == 6 || next == 17) break;
        next = at[0];
        at += (at[1] + 1) * 8;
    }
    return found == 7 ? XDP_DROP : XDP_PASS;
}
