// SPDX-License-Identifier: GPL-2.0
// kind: unknown_kernel_function
// what: bpf_no_such_function()
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

extern int bpf_no_such_function(int number) __ksym;

__u64 last;

SEC("tc")
int call(struct __sk_buff* skb) {
    last = bpf_ktime_get_ns();
    if (skb->len > 5) /* fault */
        return bpf_no_such_function(3);
    return 0;
}
