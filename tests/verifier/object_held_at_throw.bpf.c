// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// since: 6.12
// code: { bpf_task_release(init); bpf_throw(1); }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int pid;
} __attribute__((preserve_access_index));
extern struct task_struct* bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct* task) __ksym;
extern void bpf_throw(__u64 cookie) __ksym;

SEC("tc")
int check(struct __sk_buff* skb) {
    /* fault */
    struct task_struct* init = bpf_task_from_pid(1);
    if (!init) return 0;
    if (skb->len > 1500) bpf_printk("long");
    if (init->pid != 1) {
        bpf_throw(1);
    }
    bpf_task_release(init);
    return 0;
}
