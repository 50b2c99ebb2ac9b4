// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// applied: code
// code: packet = (void *)(long)skb->data;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int mark(struct __sk_buff* skb) {
    __u8 *packet = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    if (packet + 6 > end) return 0;
    bpf_skb_pull_data(skb, 0);
    /* fault */
    __builtin_memset(packet, 0xff, 2);
    return 0;
}
