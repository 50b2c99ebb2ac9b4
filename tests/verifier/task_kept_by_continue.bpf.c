// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// since: 6.12
// remedy: it is missing on the way out behind line 37
// code: { bpf_task_release(task); continue; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int pid;
    unsigned int flags;
} __attribute__((preserve_access_index));
struct bpf_iter_num {
    __u64 opaque[1];
} __attribute__((aligned(8)));
extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) __ksym;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) __ksym;
extern struct task_struct* bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct* task) __ksym;

int threads;
SEC("syscall")
int count(void* ctx) {
    struct bpf_iter_num it;
    int* number;
    bpf_iter_num_new(&it, 1, 100);
    while ((number = bpf_iter_num_next(&it))) {
        /* fault */
        struct task_struct* task = bpf_task_from_pid(*number);
        if (!task) continue;
        if (task->flags & 0x200000) continue;
        threads++;
        bpf_task_release(task);
    }
    bpf_iter_num_destroy(&it);
    return 0;
}
