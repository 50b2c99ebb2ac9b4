// SPDX-License-Identifier: GPL-2.0
#include "bpf/kernel_drift.h"
#include "bpf/process_flags.h"
#include "bpf/ring.h"
#include "sensors/process/exec_failure.bpf.h"
#include "sensors/process/failure.bpf.h"
#include "sensors/process/process.event.h"
#include "sensors/process/sender.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 max_arguments = PROCESS_ARGUMENTS_MAX;
const volatile __u32 page_bytes = 4096;

/* Before 6.16, threads that end together can each find that nobody is left alive; the first to come here
 * speaks for the process. Needed only for those few, so few are kept. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, __u64[2]); /* start_ns, pid */
    __type(value, __u8);
} ended SEC(".maps");

/* The two sizes in which an exec is reserved: the ring wants a constant. `most` is a constant of the caller.
 */
static __always_inline void send_exec(struct task_struct* task, struct linux_binprm* bprm, unsigned long from,
                                      __u32 given, const __u32 most) {
    struct process_exec_event* event = waggle_reserve(sizeof *event + most + PROCESS_EXE_MAX);
    if (!event) return;
    waggle_header(&event->header, PROCESS_EXEC, 0, task);
    struct task_struct* parent = waggle_parent(task);
    event->parent_pid = BPF_CORE_READ(parent, tgid);
    event->parent_start_ns = waggle_start_ns(parent);
    event->uid = bpf_get_current_uid_gid();

    char* tail = (char*)(event + 1);
    __u32 kept = given;
    if (kept > max_arguments) kept = max_arguments;
    if (kept > most) kept = most;
    if (bpf_probe_read_user(tail, kept, (const void*)from) != 0) kept = 0;
    /* Eight bytes at a time: a zero byte becomes a space. What this touches behind the text is exe's place.
     */
    __u64* words = (__u64*)tail;
#pragma clang loop unroll(disable)
    for (__u32 i = 0; i < most / 8; i++) {
        if (i * 8 >= kept) break;
        __u64 word = words[i];
        const __u64 low = 0x7f7f7f7f7f7f7f7f;
        __u64 zeros = ~(((word & low) + low) | word | low);
        words[i] = word | (zeros >> 2);
    }
    long exe = bpf_probe_read_kernel_str(tail + kept, PROCESS_EXE_MAX, bprm->filename);
    exe = exe > 0 ? exe - 1 : 0;

    event->arguments.offset = sizeof *event;
    event->arguments.length = kept;
    event->arguments_bytes = given;
    event->truncated = kept < given;
    event->reserved[0] = event->reserved[1] = event->reserved[2] = 0;
    event->exe.offset = sizeof *event + kept;
    event->exe.length = exe;
    event->header.size = sizeof *event + kept + exe;
    waggle_submit(event);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct* task, pid_t old_pid, struct linux_binprm* bprm) {
    if (!waggle_task_wanted(task)) return 0;
    struct mm_struct* mm = task->mm;
    if (!mm) return 0;
    unsigned long from = mm->arg_start, to = mm->arg_end;
    __u32 given = 0;
    if (to > from + 1) given = to - from - 1; /* without the last NUL */
    if (given <= PROCESS_ARGUMENTS_FEW || max_arguments <= PROCESS_ARGUMENTS_FEW)
        send_exec(task, bprm, from, given, PROCESS_ARGUMENTS_FEW);
    else
        send_exec(task, bprm, from, given, PROCESS_ARGUMENTS_MAX);
    return 0;
}

static __always_inline void tell_thread(struct task_struct* maker, struct task_struct* made) {
    if (!waggle_task_wanted(maker)) return;
    struct process_thread_event* event = waggle_reserve(sizeof *event);
    if (!event) return;
    waggle_header(&event->header, PROCESS_THREAD, sizeof *event, maker);
    event->made_tid = made->pid;
    event->reserved = 0;
    waggle_submit(event);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct* maker, struct task_struct* child) {
    if (child->pid != child->tgid) {
        if (waggle_named(PROCESS_THREAD)) tell_thread(maker, child);
        return 0;
    }
    if (child->flags & PF_KTHREAD || !waggle_task_wanted(child)) return 0;
    struct process_fork_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    struct waggle_event* header = &event->header;
    header->kind = PROCESS_FORK;
    header->reserved = 0;
    header->size = sizeof *event;
    header->time_ns = bpf_ktime_get_ns();
    header->start_ns = child->start_boottime;
    header->cgroup_id = child->cgroups->dfl_cgrp->kn->id; /* clone3 can make it in another group */
    header->pid = child->tgid;
    header->tid = child->pid;
    bpf_get_current_comm(header->comm, sizeof header->comm);
    /* Not always the task that runs: CLONE_PARENT gives the child its maker's parent. */
    struct task_struct* parent = waggle_parent(child);
    event->parent_pid = BPF_CORE_READ(parent, tgid);
    event->parent_start_ns = waggle_start_ns(parent);
    event->reserved = 0;
    waggle_submit(event);
    return 0;
}

/* Whether with this thread its process ends. */
static __always_inline _Bool last_thread(const unsigned long long* arguments, struct task_struct* task) {
    if (waggle_exit_tells_group_dead()) return (__u8)arguments[1];
    struct signal_struct* signal = task->signal;
    if (signal->live.counter != 0) return 0;
    /* A process that has no other thread and never buried one (the run time of the buried is kept) has
     * nobody to race with. The order matters: burying counts the run time before it counts the thread off. */
    int threads = signal->nr_threads;
    barrier();
    if (threads <= 1 && signal->sum_sched_runtime == 0) return 1;
    __u64 key[2] = {waggle_start_ns(task), task->tgid};
    __u8 seen = 1;
    return bpf_map_update_elem(&ended, key, &seen, BPF_NOEXIST) == 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct* task) {
    struct task_struct* leader = task->group_leader;
    if (leader->flags & PF_KTHREAD || !last_thread(ctx, task)) return 0;
    struct signal_struct* signal = task->signal;
    /* As wait4 decides it. */
    __u32 status = signal->flags & GROUP_EXIT ? signal->group_exit_code : leader->exit_code;
    struct who_signalled* sender = 0;
    if (status & 0x7f) {
        struct signal_key key = {waggle_start_ns(task), task->tgid, status & 0x7f};
        sender = bpf_map_lookup_elem(&senders, &key);
    }
    struct failure origin = {};
    pass_failure_on(task, status, sender, &origin);
    if (!waggle_task_wanted(leader)) return 0;
    struct process_exit_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    waggle_header(&event->header, PROCESS_EXIT, sizeof *event, task);
    if (task != leader) bpf_probe_read_kernel(event->header.comm, sizeof event->header.comm, leader->comm);
    struct task_struct* parent = waggle_parent(task);
    event->parent_pid = BPF_CORE_READ(parent, tgid);
    event->parent_start_ns = waggle_start_ns(parent);
    waggle_process_comm(event->parent_comm, parent);
    event->ran_ns = event->header.time_ns - leader->start_time;
    /* Of the memory that is being given back: the kernel has put it here before it tells of the exit, and
     * it is what wait4 and getrusage report. */
    event->peak_rss_bytes = (__u64)signal->maxrss * page_bytes;
    event->exit_code = (status >> 8) & 0xff;
    event->signal = status & 0x7f;
    event->core_dumped = (status & 0x80) != 0;
    event->executed = !(leader->flags & PF_FORKNOEXEC);
    event->failed_start_ns = origin.start_ns;
    event->failed_pid = origin.pid;
    event->reserved = 0;
    tell_sender(event, sender);
    /* The kernel's own record of whom it chose when memory ran out. It also marks who is ending already, to
     * let it end faster: then somebody else had sent the signal. */
    event->oom_killed = event->signal == SIGKILL && signal->oom_mm &&
                        event->signal_from != SIGNAL_FROM_PROCESS && event->signal_from != SIGNAL_FROM_ITSELF;
    waggle_submit(event);
    return 0;
}
