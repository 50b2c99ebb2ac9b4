// SPDX-License-Identifier: GPL-2.0
// kind: read_only
// applied: sentence
// what: packet, which programs of this type can only read
// remedy: Change packets in a tc or xdp program
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#ifdef APPLIED
SEC("tc")
#else
SEC("cgroup_skb/egress")
#endif
int change(struct __sk_buff* skb) {
    __u8* data = (void*)(long)skb->data;
    __u8* data_end = (void*)(long)skb->data_end;
    if (data + 1 > data_end) return 1;
    /* fault */
    data[0] = 0;
    return 1;
}
