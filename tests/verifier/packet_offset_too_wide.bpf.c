// SPDX-License-Identifier: GPL-2.0
// kind: packet_out_of_bounds
// what: was moved by a number that can be 4294967295
// code: if (offset > 0xf000) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int follow(struct __sk_buff* skb) {
    __u8* data = (void*)(long)skb->data;
    __u8* data_end = (void*)(long)skb->data_end;
    if (data + 4 > data_end) return 1;
    __u32 offset = *(__u32*)data;
    __u8* field = data + offset;
    if (field + 1 > data_end) return 0;
    /* fault */
    return *field;
}
// applied: code
