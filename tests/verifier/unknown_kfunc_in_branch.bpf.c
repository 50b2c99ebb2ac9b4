// SPDX-License-Identifier: GPL-2.0
// kind: unknown_kernel_function
// applied: sentence
// what: bpf_no_such_function()
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#ifdef APPLIED
extern int bpf_no_such_function(int number) __ksym __weak;
#else
extern int bpf_no_such_function(int number) __ksym;
#endif

__u64 last;

SEC("tc")
int call(struct __sk_buff* skb) {
    last = bpf_ktime_get_ns();
#ifdef APPLIED
    if (!bpf_no_such_function) return 0;
#endif
    if (skb->len > 5) /* fault */
        return bpf_no_such_function(3);
    return 0;
}
