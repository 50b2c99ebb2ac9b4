// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// what: gave is not given back before bpf_tail_call() in line
// code: { bpf_sk_release(sk); bpf_tail_call(skb, &further, 0); return 0; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u32);
} further SEC(".maps");

SEC("tc")
int route(struct __sk_buff* skb) {
    struct bpf_sock_tuple tuple = {};
    tuple.ipv4.dport = 0x5000;
    /* fault */
    struct bpf_sock* sk = bpf_sk_lookup_udp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!sk) return 0;
    bpf_tail_call(skb, &further, 0);
    bpf_sk_release(sk);
    return 0;
}
