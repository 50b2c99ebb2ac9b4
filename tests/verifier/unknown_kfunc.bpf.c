// SPDX-License-Identifier: GPL-2.0
// kind: unknown_kernel_function
// what: bpf_no_such_function()
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

extern int bpf_no_such_function(int number) __ksym;

SEC("tc")
int call(struct __sk_buff* skb) { return bpf_no_such_function(1); }
