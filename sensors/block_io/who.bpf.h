/* SPDX-License-Identifier: GPL-2.0 */
/* Who submitted a request. The task that runs when the request is first seen, but for two cases where that is
 * a kernel worker that acts for others: writeback and loop devices (their bios name the cgroup), and flushes.
 */
#pragma once

#include "bpf/task.h"

#define REQ_OP_MASK 0xff

/* A bio that asks for a flush goes to a state machine that issues requests of its own, later and in a worker.
 * So who asked is kept by the bio, from the allocation of its request on. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct bio*);
    __type(value, struct who);
} flushers SEC(".maps");

static __always_inline _Bool asks_for_flush(__u32 opf) {
    return opf & (1u << bpf_core_enum_value(enum req_flag_bits, __REQ_PREFLUSH) |
                  1u << bpf_core_enum_value(enum req_flag_bits, __REQ_FUA));
}

/* The cgroup v2 that the bio is charged to; 0 where there is none. */
static __always_inline __u64 bio_cgroup_id(struct bio* bio) {
    if (!bpf_core_field_exists(bio->bi_blkg)) return 0; /* CONFIG_BLK_CGROUP=n */
    struct cgroup* cgroup = BPF_CORE_READ(bio, bi_blkg, blkcg, css.cgroup);
    if (!cgroup || BPF_CORE_READ(cgroup, root, hierarchy_id) != 0)
        return 0; /* v1 ids name other directories */
    return BPF_CORE_READ(cgroup, kn, id);
}

static __always_inline void who_runs(struct who* who, struct task_struct* task) {
    who->pid = task->tgid;
    who->tid = task->pid;
    who->start_ns = waggle_start_ns(task);
    who->cgroup_id = bpf_get_current_cgroup_id();
    bpf_get_current_comm(who->comm, sizeof who->comm);
}

/* The first of the bios that a flush request is issued for. */
static __always_inline struct bio* flushed_bio(struct request* request) {
    struct blk_flush_queue* queue = BPF_CORE_READ(request, mq_hctx, fq);
    struct list_head* lists =
        (struct list_head*)((char*)queue + bpf_core_field_offset(struct blk_flush_queue, flush_queue));
    struct list_head* running = BPF_CORE_READ_BITFIELD_PROBED(queue, flush_running_idx) ? lists + 1 : lists;
    struct list_head* first = BPF_CORE_READ(running, next);
    /* biotail: bio is null when the flush comes after the data. */
    return first == running ? 0 : BPF_CORE_READ(waggle_flush_waiter(first), biotail);
}

static __noinline int who_asked(struct who* who, struct request* request) {
    if (!who || !request) return 0;
    struct bio* bio = BPF_CORE_READ(request, bio);
    __u32 opf = BPF_CORE_READ(request, cmd_flags);
    if ((opf & REQ_OP_MASK) == REQ_OP_FLUSH)
        bio = flushed_bio(request);
    else
        opf = BPF_CORE_READ(bio, bi_opf); /* the state machine clears the request's own flags */
    struct who* flusher = asks_for_flush(opf) ? bpf_map_lookup_elem(&flushers, &bio) : 0;
    if (flusher) {
        *who = *flusher;
        return 0;
    }
    __u64 cgroup_id = bio_cgroup_id(bio);
    if (cgroup_id) who->cgroup_id = cgroup_id;
    return 0;
}

static __always_inline void who_submits(struct who* who, struct request* request) {
    struct task_struct* task = bpf_get_current_task_btf();
    who_runs(who, task);
    /* A process's own cgroup is finer than the bio's, which is the nearest one with the io controller. */
    if (task->flags & PF_KTHREAD) who_asked(who, request);
}

SEC("tp_btf/block_getrq")
int BPF_PROG(on_allocate, struct bio* bio) {
    if (!asks_for_flush(bio->bi_opf)) return 0;
    struct task_struct* task = bpf_get_current_task_btf();
    struct who who = {};
    who_runs(&who, task);
    if (task->flags & PF_KTHREAD) {
        __u64 cgroup_id = bio_cgroup_id(bio);
        if (cgroup_id) who.cgroup_id = cgroup_id;
    }
    bpf_map_update_elem(&flushers, &bio, &who, BPF_ANY);
    return 0;
}
