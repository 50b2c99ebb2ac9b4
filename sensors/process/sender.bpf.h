/* SPDX-License-Identifier: GPL-2.0 */
/* Who sent the signal that ends a process. A signal is sent in the sender's context and kills later, in the
 * victim's: so who sent is kept until the victim ends. Only signals that end a process unless it catches them
 * are kept; SIGCHLD, SIGALRM, SIGURG and the like, nearly all there are, cost one comparison. */
#pragma once

/* clang-format off */
#include "bpf/ring.h"
#include "sensors/process/process.event.h"
/* clang-format on */

#define SIGKILL 9
#define SIGNAL_BIT(number) (1ull << (number))
/* HUP INT QUIT ILL TRAP ABRT BUS FPE KILL SEGV PIPE TERM XCPU XFSZ SYS */
#define KEPT_SIGNALS                                                                                    \
    (SIGNAL_BIT(1) | SIGNAL_BIT(2) | SIGNAL_BIT(3) | SIGNAL_BIT(4) | SIGNAL_BIT(5) | SIGNAL_BIT(6) |    \
     SIGNAL_BIT(7) | SIGNAL_BIT(8) | SIGNAL_BIT(9) | SIGNAL_BIT(11) | SIGNAL_BIT(13) | SIGNAL_BIT(15) | \
     SIGNAL_BIT(24) | SIGNAL_BIT(25) | SIGNAL_BIT(31))

struct signal_key {
    __u64 start_ns; /* of whom it was sent to */
    __u32 pid;
    __u32 signal;
};

struct who_signalled {
    __u64 start_ns;
    __u32 pid; /* 0 unless a process did */
    __u32 parent_pid;
    __u32 from; /* enum process_signal_from */
    __u32 reserved;
    char comm[WAGGLE_COMM_LEN];
    char parent_comm[WAGGLE_COMM_LEN];
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct signal_key);
    __type(value, struct who_signalled);
} senders SEC(".maps");

/* What the kernel notes of a signal's origin: `info` is 0 (a process, itself not noted), 1 (the kernel) or
 * points to the particulars (SEND_SIG_NOINFO, SEND_SIG_PRIV of linux/sched/signal.h). */
static __always_inline __u32 signal_from(__u64 info, _Bool to_itself) {
    const __u32 process = to_itself ? SIGNAL_FROM_ITSELF : SIGNAL_FROM_PROCESS;
    if (info == 0) return process;
    if (info == 1) return SIGNAL_FROM_KERNEL;
    int code = BPF_CORE_READ((struct kernel_siginfo*)info, si_code);
    if (code > 0) return to_itself ? SIGNAL_FROM_FAULT : SIGNAL_FROM_KERNEL;
    /* SI_USER, SI_QUEUE, SI_TKILL; a timer or the end of an I/O runs in whatever context there is. */
    return code == 0 || code == -1 || code == -6 ? process : SIGNAL_FROM_UNKNOWN;
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int number, struct kernel_siginfo* info, struct task_struct* task, int group,
             int result) {
    if ((__u32)number > 31 || !(KEPT_SIGNALS >> number & 1)) return 0;
    /* TRACE_SIGNAL_DELIVERED or TRACE_SIGNAL_LOSE_INFO; else it was ignored, or was pending already. */
    if (result != 0 && result != 4) return 0;
    struct task_struct* sender = bpf_get_current_task_btf();
    __u64 particulars = 0;
    bpf_probe_read_kernel(&particulars, sizeof particulars, &ctx[1]);
    struct signal_key key = {waggle_start_ns(task), task->tgid, number};
    struct who_signalled who = {};
    who.from = signal_from(particulars, sender->tgid == task->tgid);
    if (who.from == SIGNAL_FROM_PROCESS) {
        struct task_struct* parent = sender->real_parent;
        who.pid = sender->tgid;
        who.start_ns = waggle_start_ns(sender);
        who.parent_pid = parent->tgid;
        bpf_probe_read_kernel(who.comm, sizeof who.comm, sender->group_leader->comm);
        bpf_probe_read_kernel(who.parent_comm, sizeof who.parent_comm, parent->group_leader->comm);
    }
    bpf_map_update_elem(&senders, &key, &who, BPF_ANY);
    return 0;
}

static __always_inline void tell_sender(struct process_exit_event* event,
                                        const struct who_signalled* sender) {
    static const struct who_signalled nobody = {};
    if (!sender) sender = &nobody;
    event->signal_from = sender->from;
    event->sender_pid = sender->pid;
    event->sender_start_ns = sender->start_ns;
    event->sender_parent_pid = sender->parent_pid;
    __builtin_memcpy(event->sender_comm, sender->comm, sizeof event->sender_comm);
    __builtin_memcpy(event->sender_parent_comm, sender->parent_comm, sizeof event->sender_parent_comm);
}
