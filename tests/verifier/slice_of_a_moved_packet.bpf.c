// SPDX-License-Identifier: GPL-2.0
// kind: packet_pointer_invalidated
// applied: code
// since: 6.12
// what: ), which bpf_dynptr_slice() gave, can lie in the packet, and bpf_skb_pull_data() in line
// code: ip = bpf_dynptr_slice(&packet, 14, &copy, sizeof(copy)); if (!ip) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct header {
    __u8 length, service;
    __u16 total;
};
extern int bpf_dynptr_from_skb(struct __sk_buff* skb, __u64 flags, struct bpf_dynptr* packet) __ksym;
extern void* bpf_dynptr_slice(const struct bpf_dynptr* packet, __u32 offset, void* buffer, __u32 size) __ksym;

SEC("tc")
int look(struct __sk_buff* skb) {
    struct bpf_dynptr packet;
    struct header copy;
    if (bpf_dynptr_from_skb(skb, 0, &packet)) return 0;
    struct header* ip = bpf_dynptr_slice(&packet, 14, &copy, sizeof(copy));
    if (!ip) return 0;
    if (skb->len > 100) bpf_skb_pull_data(skb, 100);
    /* fault */
    return ip->service ? 2 : 0;
}
