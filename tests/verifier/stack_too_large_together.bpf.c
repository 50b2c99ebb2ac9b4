// SPDX-License-Identifier: GPL-2.0
// kind: stack_too_large
// what: bytes of stack together; a program and all it calls have 512
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int inner(struct __sk_buff* skb) {
    char buffer[320];
    bpf_skb_load_bytes(skb, 320, buffer, sizeof(buffer));
    return buffer[7];
}

SEC("tc")
int outer(struct __sk_buff* skb) {
    char buffer[320];
    bpf_skb_load_bytes(skb, 0, buffer, sizeof(buffer));
    return inner(skb) + buffer[3];
}
