/* SPDX-License-Identifier: GPL-2.0 */
/* The ring of a room: reserve, fill, submit. A full ring counts what it refuses; the reader is woken only
 * when it has said that it sleeps (a wake-up costs six times the record). Include once per .bpf.c. */
#pragma once

/* libbpf's headers need the kernel's types first. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "bpf/event.h"
/* clang-format on */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20); /* StartOptions.ring_bytes replaces it before load */
} ring SEC(".maps");

__u64 lost_ring_full = 0; /* records that found no room */
__u32 reader_sleeps = 0;  /* set by the reader before it waits, cleared by the first record after */

const volatile __u32 only_pid = 0;
const volatile __u64 only_cgroup_id = 0;
const volatile char only_comm[WAGGLE_COMM_LEN] = {};
const volatile __u8 filter_comm = 0;
const volatile __u8 events_wanted = 0; /* Mode::events */
const volatile __u64 named_kinds = 0;  /* a bit for each kind of record whose table is asked for by name */

/* Whether records of that kind are, which are made for nobody else (Schema.only_named). */
static __always_inline _Bool waggle_named(__u32 kind) { return named_kinds >> kind & 1; }

static __always_inline void* waggle_reserve(__u64 size) {
    void* record = bpf_ringbuf_reserve(&ring, size, 0);
    if (!record) __sync_fetch_and_add(&lost_ring_full, 1);
    return record;
}

static __always_inline void waggle_submit(void* record) {
    __u64 flags = BPF_RB_NO_WAKEUP;
    if (reader_sleeps) {
        reader_sleeps = 0;
        flags = BPF_RB_FORCE_WAKEUP;
    }
    bpf_ringbuf_submit(record, flags);
}

/* Related tasks. Since 6.4, for each pointer that a program loads by way of one the kernel trusts, the verifier searches all
 * of the kernel's types for whether that one is trusted too (btf_nested_type_is_trusted): a millisecond or two, again on
 * each way through the program. So these are read, not loaded; what they point to is read too. */
static __always_inline struct task_struct* waggle_leader(struct task_struct* task) {
    return BPF_CORE_READ(task, group_leader);
}
static __always_inline struct task_struct* waggle_parent(struct task_struct* task) {
    return BPF_CORE_READ(task, real_parent);
}

/* The name of a task's process: that of its first thread. */
static __always_inline void waggle_process_comm(char comm[WAGGLE_COMM_LEN], struct task_struct* task) {
    bpf_core_read(comm, WAGGLE_COMM_LEN, &waggle_leader(task)->comm);
}

/* The identity of a task's process. start_boottime is named so since 5.5 (before: real_start_time). */
static __always_inline __u64 waggle_start_ns(struct task_struct* task) {
    return BPF_CORE_READ(task, group_leader, start_boottime);
}

/* Fills the header for the task that runs now. `task` is bpf_get_current_task_btf(). */
static __always_inline void waggle_header(struct waggle_event* header, __u16 kind, __u32 size,
                                          struct task_struct* task) {
    header->kind = kind;
    header->reserved = 0;
    header->size = size;
    header->time_ns = bpf_ktime_get_ns();
    header->start_ns = waggle_start_ns(task);
    header->cgroup_id = bpf_get_current_cgroup_id();
    header->pid = task->tgid;
    header->tid = task->pid;
    bpf_get_current_comm(header->comm, sizeof header->comm);
}

static __always_inline _Bool waggle_comm_wanted(const char* comm) {
    for (int i = 0; i < WAGGLE_COMM_LEN; i++) {
        if (comm[i] != only_comm[i]) return 0;
        if (!comm[i]) return 1;
    }
    return 1;
}

/* --pid, --cgroup and --comm, decided in the kernel so that nobody else's events cross the ring. Asked before
 * a record is reserved: what nobody asked for must neither take room nor count as lost when there is none. */
static __always_inline _Bool waggle_task_wanted(struct task_struct* task) {
    if (only_pid && task->tgid != only_pid) return 0;
    if (only_cgroup_id && task->cgroups->dfl_cgrp->kn->id != only_cgroup_id) return 0;
    if (filter_comm) {
        char comm[WAGGLE_COMM_LEN];
        bpf_probe_read_kernel(comm, sizeof comm, task->comm);
        return waggle_comm_wanted(comm);
    }
    return 1;
}

/* The same for a process that is known only by a header, kept from an earlier moment. */
static __always_inline _Bool waggle_wanted(const struct waggle_event* header) {
    if (only_pid && header->pid != only_pid) return 0;
    if (only_cgroup_id && header->cgroup_id != only_cgroup_id) return 0;
    if (filter_comm && !waggle_comm_wanted(header->comm)) return 0;
    return 1;
}
