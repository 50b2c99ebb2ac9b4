// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// applied: code
// code: if ((void *)tcp + 14 > (void *)(long)ctx->skb_data_end) return 1;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct tcp {
    __u16 ports[2];
    __u32 sequence[2];
    __u16 unused : 4, length : 4, fin : 1, syn : 1, reset : 6;
};

SEC("sockops")
int on_header(struct bpf_sock_ops* ctx) {
    struct tcp* tcp = (struct tcp*)(long)ctx->skb_data;
    /* fault */
    if (tcp->syn) bpf_sock_ops_cb_flags_set(ctx, 0);
    return 1;
}
