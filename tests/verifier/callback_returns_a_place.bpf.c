// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// since: 6.12
// applied: code
// what: The callback returns a number from 1 to 64
// code: return 1;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u32 known[64];
static long find(__u32 i, __u32* wanted) {
    if (i >= 64) return 1;
    if (known[i] == *wanted) {
        *wanted = 0;
        /* fault */
        return i + 1;
    }
    return 0;
}

SEC("tc")
int look(struct __sk_buff* skb) {
    __u32 wanted = skb->mark;
    bpf_loop(64, find, &wanted, 0);
    return wanted == 0;
}
