// SPDX-License-Identifier: GPL-2.0
// kind: leaked_lock
// applied: code
// since: 6.12
// what: bpf_preempt_disable() in line
// remedy: End it with bpf_preempt_enable() on every path
// code: { bpf_preempt_enable(); return 0; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

extern void bpf_preempt_disable(void) __ksym;
extern void bpf_preempt_enable(void) __ksym;

__u64 packets;
SEC("tc")
int count(struct __sk_buff* skb) {
    /* fault */
    bpf_preempt_disable();
    if (skb->len < 60) return 0;
    packets++;
    bpf_preempt_enable();
    return 0;
}
