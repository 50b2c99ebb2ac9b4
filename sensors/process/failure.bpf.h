/* SPDX-License-Identifier: GPL-2.0 */
/* Whose failure a process passes on. A shell, env, timeout, an entry point or a launcher ends with the code
 * of the program it ran, or with 128 and its signal; the program that failed is below. Each failed process
 * leaves a note with its parent; a parent that ends likewise hands the note on to its own parent, so that any
 * number of wrappers costs one look-up each. */
#pragma once

/* clang-format off */
#include "bpf/ring.h"
#include "sensors/process/sender.bpf.h"
/* clang-format on */

struct failure {
    __u64 start_ns;
    __u64 time_ns;  /* when the parent learned of it */
    __u32 pid;      /* 0: none */
    __u32 status;   /* as wait4 gives it */
    __u32 followed; /* another child ended well since */
    __u32 reserved;
};

/* By the parent: start_ns, pid. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 4096);
    __type(key, __u64[2]);
    __type(value, struct failure);
} failures SEC(".maps");

#define SECOND_NS 1000000000ull
/* ILL TRAP ABRT BUS FPE KILL SEGV SYS */
#define CRASH_SIGNALS                                                                                \
    (SIGNAL_BIT(4) | SIGNAL_BIT(5) | SIGNAL_BIT(6) | SIGNAL_BIT(7) | SIGNAL_BIT(8) | SIGNAL_BIT(9) | \
     SIGNAL_BIT(11) | SIGNAL_BIT(31))

/* Whether a process that ended with `status` only says what its child had said. 1 and 2 are what everybody
 * ends with: there the child must have been its last, just before. */
static __always_inline _Bool passes_on(const struct failure* below, __u32 status, __u64 now_ns,
                                       const struct who_signalled* sender) {
    __u64 ago_ns = now_ns - below->time_ns;
    __u32 code = (status >> 8) & 0xff, signal = status & 0x7f;
    __u32 below_code = (below->status >> 8) & 0xff, below_signal = below->status & 0x7f;
    if (signal) /* timeout kills itself by the signal that killed its child */
        return signal == below_signal && ago_ns < SECOND_NS &&
               (!sender || sender->from == SIGNAL_FROM_ITSELF);
    if (below_signal) {
        if (code == 128 + below_signal || code == 256 - below_signal) return ago_ns < 60 * SECOND_NS;
        return CRASH_SIGNALS >> below_signal & 1 && !below->followed && ago_ns < SECOND_NS;
    }
    if (code != below_code) return 0;
    if (code > 2) return ago_ns < 60 * SECOND_NS;
    return !below->followed && ago_ns < SECOND_NS;
}

/* Called once for each process that ends. `origin` becomes the process below that failed, if there is one. */
static __always_inline void pass_failure_on(struct task_struct* task, __u32 status,
                                            const struct who_signalled* sender, struct failure* origin) {
    __u64 own[2] = {waggle_start_ns(task), task->tgid};
    struct task_struct* parent = waggle_parent(task);
    __u64 parents[2] = {waggle_start_ns(parent), BPF_CORE_READ(parent, tgid)};
    __u64 now_ns = bpf_ktime_get_ns();
    struct failure* below = bpf_map_lookup_elem(&failures, own);
    if (!status) {
        struct failure* noted = bpf_map_lookup_elem(&failures, parents);
        if (noted) noted->followed = 1;
    } else {
        struct failure note = {own[0], now_ns, own[1], status, 0, 0};
        if (below && passes_on(below, status, now_ns, sender)) {
            note.start_ns = below->start_ns;
            note.pid = below->pid;
            *origin = note;
        }
        bpf_map_update_elem(&failures, parents, &note, BPF_ANY);
    }
    if (below) bpf_map_delete_elem(&failures, own);
}
