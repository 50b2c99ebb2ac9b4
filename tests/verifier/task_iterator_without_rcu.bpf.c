// SPDX-License-Identifier: GPL-2.0
// kind: iterator_misuse
// applied: sentence
// since: 6.18
// what: bpf_iter_task_new() must stand between bpf_rcu_read_lock() and bpf_rcu_read_unlock()
// code: bpf_rcu_read_lock();
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int pid;
} __attribute__((preserve_access_index));
struct bpf_iter_task {
    __u64 opaque[3];
} __attribute__((aligned(8)));
extern int bpf_iter_task_new(struct bpf_iter_task* it, struct task_struct* task, unsigned int flags) __ksym;
extern struct task_struct* bpf_iter_task_next(struct bpf_iter_task* it) __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task* it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

int tasks;
SEC("syscall")
int count(void* ctx) {
    struct bpf_iter_task it;
#ifdef APPLIED
    bpf_rcu_read_lock();
#endif
    /* fault */
    bpf_iter_task_new(&it, 0, 0);
    while (bpf_iter_task_next(&it)) tasks++;
    bpf_iter_task_destroy(&it);
#ifdef APPLIED
    bpf_rcu_read_unlock();
#endif
    return 0;
}
