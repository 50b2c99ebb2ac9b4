// SPDX-License-Identifier: GPL-2.0
/* Who holds BPF programs: one pass over every file descriptor, in the kernel. The same by /proc costs a system call
 * and a path for each descriptor of the machine. And how full maps are. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "sensors/bpf_program/bpf_program.event.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

/* Of these kernel types what this object alone reads. */
struct file___bpf {
    const void* f_op;
    void* private_data;
} __attribute__((preserve_access_index));
struct bpf_prog_aux {
    __u32 id;
} __attribute__((preserve_access_index));
struct bpf_prog {
    struct bpf_prog_aux* aux;
} __attribute__((preserve_access_index));
struct bpf_link {
    __u32 id;
    struct bpf_prog* prog;
} __attribute__((preserve_access_index));
struct perf_event_attr {
    __u32 type;
    __u64 config;
    __u64 sample_period;
    __u64 freq : 1;
} __attribute__((preserve_access_index));
struct pmu {
    const char* name;
} __attribute__((preserve_access_index));
struct perf_event {
    struct pmu* pmu;
    struct perf_event_attr attr;
    struct bpf_prog* prog;
} __attribute__((preserve_access_index));
struct bpf_map {
    __u32 id;
    enum bpf_map_type map_type;
} __attribute__((preserve_access_index));
struct bpf_iter__bpf_map {
    struct bpf_iter_meta* meta;
    struct bpf_map* map;
};

/* Since 6.6; counts the entries of a hash map without a walk. */
extern __s64 bpf_map_sum_elem_count(const struct bpf_map* map) __ksym __weak;

/* What a file is, its operations tell. Their addresses are no symbols everywhere, so waggle opens one file of each
 * kind and the first pass learns from these. */
__u32 known_fd[3] = {};   /* of the process that reads, by kind - 1 */
__u64 known_f_op[3] = {}; /* 0: not learnt */

SEC("iter/task_file")
int on_file(struct bpf_iter__task_file* ctx) {
    struct task_struct* task = ctx->task;
    struct file___bpf* file = (struct file___bpf*)ctx->file;
    if (!task || !file) return 0;
    __u64 f_op = (__u64)BPF_CORE_READ(file, f_op);
    const __u32 own = (__u32)(bpf_get_current_pid_tgid() >> 32) == (__u32)task->tgid;
    if (own) {
        if (!known_f_op[0] && ctx->fd == known_fd[0]) known_f_op[0] = f_op;
        if (!known_f_op[1] && ctx->fd == known_fd[1]) known_f_op[1] = f_op;
        if (!known_f_op[2] && ctx->fd == known_fd[2]) known_f_op[2] = f_op;
    }
    if (!f_op) return 0;
    struct bpf_holder holder = {};
    void* held = BPF_CORE_READ(file, private_data);
    struct bpf_prog* program = 0;
    if (f_op == known_f_op[0]) {
        holder.kind = BPF_HOLDS_PROGRAM;
        program = held;
        holder.id = BPF_CORE_READ(program, aux, id);
    } else if (f_op == known_f_op[1]) {
        holder.kind = BPF_HOLDS_LINK;
        struct bpf_link* link = held;
        holder.id = BPF_CORE_READ(link, id);
        program = BPF_CORE_READ(link, prog);
    } else if (f_op == known_f_op[2]) {
        holder.kind = BPF_HOLDS_EVENT;
        struct perf_event* event = held;
        program = BPF_CORE_READ(event, prog);
        holder.event_type = BPF_CORE_READ(event, attr.type);
        holder.event_config = BPF_CORE_READ(event, attr.config);
        holder.event_period = BPF_CORE_READ(event, attr.sample_period);
        const char* name = BPF_CORE_READ(event, pmu, name);
        if (name) bpf_probe_read_kernel_str(holder.unit, sizeof holder.unit, name);
        struct perf_event_attr* attr = &event->attr;
        holder.event_is_frequency = BPF_CORE_READ_BITFIELD_PROBED(attr, freq);
    }
    if (!program) return 0;
    holder.program_id = BPF_CORE_READ(program, aux, id);
    holder.fd = ctx->fd;
    holder.pid = task->tgid;
    holder.own = own;
    holder.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
    holder.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
    bpf_probe_read_kernel(holder.comm, sizeof holder.comm, task->group_leader->comm);
    bpf_seq_write(ctx->meta->seq, &holder, sizeof holder);
    return 0;
}

SEC("iter/bpf_map")
int on_map(struct bpf_iter__bpf_map* ctx) {
    struct bpf_map* map = ctx->map;
    if (!map) return 0;
    const enum bpf_map_type type = map->map_type;
    if (type != BPF_MAP_TYPE_HASH && type != BPF_MAP_TYPE_PERCPU_HASH && type != BPF_MAP_TYPE_LRU_HASH &&
        type != BPF_MAP_TYPE_LRU_PERCPU_HASH)
        return 0;
    struct bpf_map_fill fill = {};
    fill.id = map->id;
    fill.entries = bpf_map_sum_elem_count(map);
    bpf_seq_write(ctx->meta->seq, &fill, sizeof fill);
    return 0;
}

/* Does nothing, and is run by waggle alone: what the kernel's statistics cost is measured with it. */
SEC("socket")
int measure(void* ctx) { return 0; }
