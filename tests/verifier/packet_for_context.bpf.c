// SPDX-License-Identifier: GPL-2.0
// kind: wrong_argument
// applied: code
// what: bpf_skb_pull_data() gets a pointer into the packet as argument 1
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tc")
int pull(struct __sk_buff* skb) {
    void* data = (void*)(long)skb->data;
    /* fault */
    return bpf_skb_pull_data(data, 20);
}
