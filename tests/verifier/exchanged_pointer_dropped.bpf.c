// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// since: 6.12
// code: if (old) bpf_task_release(old);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int pid;
} __attribute__((preserve_access_index));

#define __kptr __attribute__((btf_type_tag("kptr")))
struct task_struct* bpf_task_acquire(struct task_struct* p) __ksym;
void bpf_task_release(struct task_struct* p) __ksym;
struct kept {
    struct task_struct __kptr* task;
};
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, int);
    __type(value, struct kept);
} store SEC(".maps");

SEC("tp_btf/sched_process_exec")
int keep(__u64* ctx) {
    struct task_struct* now = (void*)ctx[0];
    int zero = 0;
    struct kept* k = bpf_map_lookup_elem(&store, &zero);
    if (!k) return 0;
    now = bpf_task_acquire(now);
    if (!now) return 0;
    /* fault */
    bpf_kptr_xchg(&k->task, now);
    return 0;
}
