// SPDX-License-Identifier: GPL-2.0
// kind: stack_out_of_bounds
// applied: code
// code: bpf_skb_load_bytes(skb, 12, &proto, sizeof(proto))
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("socket")
int kind(struct __sk_buff* skb) {
    __u16 proto;
    /* fault */
    if (bpf_skb_load_bytes(skb, 12, &proto, 4)) return 0;
    return proto == 0x0608 ? 64 : 0;
}
