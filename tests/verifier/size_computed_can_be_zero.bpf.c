// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// since: 6.12
// applied: code
// what: can be 0, and bpf_skb_load_bytes() takes none
// code:  + 1);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int copy(struct __sk_buff* skb) {
    char bytes[64] = {};
    __u32 length = skb->len - 14;
    if (length > sizeof(bytes)) length = sizeof(bytes);
    /* fault */
    bpf_skb_load_bytes(skb, 14, bytes, length);
    return bytes[0];
}
