// SPDX-License-Identifier: GPL-2.0
// kind: map_out_of_bounds
// applied: code
// code: __u64 copy = __builtin_bswap16(udp[1]); if (copy >= 1024) return XDP_PASS; ports[copy]++;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u64 ports[1024];
SEC("xdp")
int count(struct xdp_md* ctx) {
    void *data = (void*)(long)ctx->data, *data_end = (void*)(long)ctx->data_end;
    __u16* udp = data + 34;
    if (data + 42 > data_end) return XDP_PASS;
    /* fault */
    ports[__builtin_bswap16(udp[1])]++;
    return XDP_PASS;
}
