// SPDX-License-Identifier: GPL-2.0
#include "bpf/ring.h"
#include "sensors/skeleton/skeleton.event.h"

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct* task, const char* comm) {
    struct task_struct* current = bpf_get_current_task_btf();
    if (!waggle_task_wanted(current)) return 0;
    struct skeleton_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    waggle_header(&event->header, 0, sizeof *event, current);
    bpf_probe_read_kernel_str(event->new_comm, sizeof event->new_comm, comm);
    waggle_submit(event);
    return 0;
}
