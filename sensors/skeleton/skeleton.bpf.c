// SPDX-License-Identifier: GPL-2.0
#include "bpf/ring.h"
#include "sensors/skeleton/skeleton.event.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 least_length = 1; /* of a name that is told */

__u64 renamed = 0; /* told and lost */

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct* task, const char* comm) {
    struct task_struct* current = bpf_get_current_task_btf();
    if (!waggle_task_wanted(current)) return 0;
    char name[WAGGLE_COMM_LEN] = {};
    const long bytes = bpf_probe_read_kernel_str(name, sizeof name, comm); /* its NUL included */
    if (bytes < (long)least_length + 1) return 0;
    __sync_fetch_and_add(&renamed, 1);
    struct skeleton_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    waggle_header(&event->header, skeleton_kind_rename, sizeof *event, current);
    __builtin_memcpy(event->new_comm, name, sizeof name);
    waggle_submit(event);
    return 0;
}
