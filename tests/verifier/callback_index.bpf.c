// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// because: when the callback began
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

int table[10];
int total;

static long add(__u32 round, void* context) {
    /* fault */
    total += table[round] * *(int*)context;
    return 0;
}

SEC("tc")
int sum(struct __sk_buff* skb) {
    int factor = skb->len;
    bpf_loop(10, add, &factor, 0);
    return 0;
}
// applied: code
