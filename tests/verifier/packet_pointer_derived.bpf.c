// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// applied: code
// code: ip = data + sizeof(struct ethhdr);
/* clang-format off */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u8 ttl;
SEC("tc")
int rewrite(struct __sk_buff* skb) {
    void *data = (void*)(long)skb->data, *end = (void*)(long)skb->data_end;
    struct iphdr* ip = data + sizeof(struct ethhdr);
    if ((void*)&ip[1] > end) return TC_ACT_OK;
    __u8 tos = 0;
    bpf_skb_store_bytes(skb, 15, &tos, 1, 0);
    /* fault */
    ttl = ip->ttl;
    return TC_ACT_OK;
}
