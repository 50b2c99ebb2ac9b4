// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// applied: code
// code: ip = data + 14; ports = (void*)(ip + 20); if ((void *)data + 38 > (void *)data_end) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int redirect(struct __sk_buff* skb) {
    void* data = (void*)(long)skb->data;
    void* data_end = (void*)(long)skb->data_end;
    __u8* ip;
    __u16* ports;
    if (data + 38 > data_end) return 0;
    ip = data + 14;
    ports = (void*)(ip + 20);
    bpf_l4_csum_replace(skb, 50, ports[1], 1, 2);
    /* fault */
    ports[1] = 1;
    return 0;
}
