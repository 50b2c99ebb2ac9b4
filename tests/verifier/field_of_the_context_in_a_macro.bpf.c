// SPDX-License-Identifier: GPL-2.0
// kind: possibly_null_pointer
// applied: code
// what: ctx->task (R
// code: __auto_type copy = ctx->task; if (!copy) return 0; bpf_printk("task %d", copy->pid);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int pid;
} __attribute__((preserve_access_index));
struct walk {
    void* meta;
    struct task_struct* task;
};

SEC("iter/task")
int show(struct walk* ctx) {
    /* fault */
    bpf_printk("task %d", ctx->task->pid);
    return 0;
}
