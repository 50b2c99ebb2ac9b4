// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// applied: code
// since: 6.12
// what: parent
// code: if (!parent) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int tgid;
} __attribute__((preserve_access_index));
extern struct task_struct* bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct* task) __ksym;

int group;
SEC("tp_btf/task_newtask")
int on_task(__u64* ctx) {
    /* fault within 2 */
    struct task_struct* parent = bpf_task_from_pid(1);
    group = parent->tgid;
    bpf_task_release(parent);
    return 0;
}
