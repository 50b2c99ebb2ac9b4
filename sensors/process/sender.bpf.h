/* SPDX-License-Identifier: GPL-2.0 */
/* Who sends signals, and who sent the one that ends a process. A signal is sent in the sender's context and kills later, in the
 * victim's: so who sent is kept until the victim ends. Only signals that end a process unless it catches them
 * are kept; SIGCHLD, SIGURG and the like, nearly all there are, cost one comparison unless single events are asked for. Those of
 * timers come often to who catches them, and are kept only where nobody does. */
#pragma once

/* clang-format off */
#include "bpf/process_flags.h"
#include "bpf/ring.h"
#include "sensors/process/process.event.h"
/* clang-format on */

#define SIGKILL 9
#define SIGPIPE 13
#define SIGALRM 14
#define SIGCONT 18
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
/* SIGNAL_GROUP_EXIT of the kernel's sched/signal.h: all threads are ending. */
#define GROUP_EXIT 0x00000004
#define SIGNAL_BIT(number) (1ull << ((number) - 1))
/* HUP INT QUIT ILL TRAP ABRT BUS FPE KILL SEGV PIPE TERM XCPU XFSZ SYS */
#define KEPT_SIGNALS                                                                                    \
    (SIGNAL_BIT(1) | SIGNAL_BIT(2) | SIGNAL_BIT(3) | SIGNAL_BIT(4) | SIGNAL_BIT(5) | SIGNAL_BIT(6) |    \
     SIGNAL_BIT(7) | SIGNAL_BIT(8) | SIGNAL_BIT(9) | SIGNAL_BIT(11) | SIGNAL_BIT(13) | SIGNAL_BIT(15) | \
     SIGNAL_BIT(24) | SIGNAL_BIT(25) | SIGNAL_BIT(31))

/* Those of setitimer and alarm. */
#define TIMER_SIGNALS (SIGNAL_BIT(SIGALRM) | SIGNAL_BIT(SIGVTALRM) | SIGNAL_BIT(SIGPROF))

/* What is told of signals from one process to another besides those: CONT STOP TSTP, or, where single events are asked for, all. */
#define TOLD_SIGNALS (KEPT_SIGNALS | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(19) | SIGNAL_BIT(20))
const volatile __u64 told_signals = TOLD_SIGNALS;

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

/* What the kernel notes of a signal's origin: `info` is 0 (the kernel, in the name of the process that runs: SIGPIPE and
 * SIGXFSZ come so to who has written where it may not), 1 (the kernel) or points to the particulars (SEND_SIG_NOINFO,
 * SEND_SIG_PRIV of linux/sched/signal.h). */
static __always_inline __u32 signal_from(__u64 info, __u32 number, _Bool to_itself, _Bool ending) {
    const __u32 process = to_itself ? SIGNAL_FROM_ITSELF : SIGNAL_FROM_PROCESS;
    if (info == 0 && to_itself && (number == SIGPIPE || number == SIGXFSZ)) return SIGNAL_FROM_FAULT;
    /* Who is ending sends nothing more: the kernel does, to those that asked for it (PR_SET_PDEATHSIG). */
    if (info == 0) return ending ? SIGNAL_FROM_KERNEL : process;
    if (info == 1) return SIGNAL_FROM_KERNEL;
    int code = BPF_CORE_READ((struct kernel_siginfo*)info, si_code);
    if (code > 0) return to_itself ? SIGNAL_FROM_FAULT : SIGNAL_FROM_KERNEL;
    /* SI_USER, SI_QUEUE, SI_TKILL; a timer or the end of an I/O runs in whatever context there is. */
    return code == 0 || code == -1 || code == -6 ? process : SIGNAL_FROM_UNKNOWN;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sigaction {
    void* sa_handler;
};
struct k_sigaction {
    struct sigaction sa;
};
struct sighand_struct {
    struct k_sigaction action[64];
};
struct task_struct___handlers {
    struct sighand_struct* sighand;
};
#pragma clang attribute pop

/* Whether the process neither catches a timer's signal nor ignores it. The kernel's elements are larger than those here, so
 * each index is a constant, which is moved when the program is loaded. */
static __always_inline _Bool is_uncaught(struct task_struct* task, __u32 number) {
    struct sighand_struct* handlers = BPF_CORE_READ((struct task_struct___handlers*)task, sighand);
    if (number == SIGALRM) return !BPF_CORE_READ(handlers, action[SIGALRM - 1].sa.sa_handler);
    if (number == SIGVTALRM) return !BPF_CORE_READ(handlers, action[SIGVTALRM - 1].sa.sa_handler);
    return !BPF_CORE_READ(handlers, action[SIGPROF - 1].sa.sa_handler);
}

static __always_inline void send_signal(struct task_struct* sender, struct task_struct* target, __u32 number,
                                        int to_process, int result) {
    if (!waggle_task_wanted(sender) && !waggle_task_wanted(target)) return;
    struct process_signal_event* event = waggle_reserve(sizeof *event);
    if (!event) return;
    waggle_header(&event->header, PROCESS_SIGNAL, sizeof *event, sender);
    /* The process's name, not that of a thread. */
    waggle_process_comm(event->header.comm, sender);
    struct task_struct* parent = waggle_parent(sender);
    event->parent_start_ns = waggle_start_ns(parent);
    event->parent_pid = BPF_CORE_READ(parent, tgid);
    waggle_process_comm(event->parent_comm, parent);
    event->target_start_ns = waggle_start_ns(target);
    event->target_pid = target->tgid;
    /* SIGKILL ends all threads, whichever it is sent to. */
    event->target_tid = to_process || number == SIGKILL ? 0 : target->pid;
    event->target_parent_pid = BPF_CORE_READ(target, real_parent, tgid);
    waggle_process_comm(event->target_comm, target);
    event->signal = number;
    /* TRACE_SIGNAL_LOSE_INFO is delivered too, without its particulars. What comes to one that ends is called
     * ignored, and so is SIGCONT, which has done its work before the kernel looks whether it is. */
    if (result == 1 && BPF_CORE_READ(target, signal, flags) & GROUP_EXIT)
        event->outcome = SIGNAL_TOO_LATE;
    else
        event->outcome = result == 4 || (result == 1 && number == SIGCONT) ? SIGNAL_DELIVERED : result;
    event->reserved[0] = event->reserved[1] = event->reserved[2] = 0;
    waggle_submit(event);
}

SEC("tp_btf/signal_generate")
int BPF_PROG(on_signal, int number, struct kernel_siginfo* info, struct task_struct* task, int group,
             int result) {
    const __u32 bit = number - 1;
    if (bit > 63 || !((told_signals | KEPT_SIGNALS | TIMER_SIGNALS) >> bit & 1)) return 0;
    const _Bool of_timer = TIMER_SIGNALS >> bit & 1;
    if (of_timer && !(told_signals >> bit & 1) && !is_uncaught(task, number)) return 0;
    struct task_struct* sender = bpf_get_current_task_btf();
    __u64 particulars = 0;
    bpf_probe_read_kernel(&particulars, sizeof particulars, &ctx[1]);
    __u32 from = signal_from(particulars, number, sender->tgid == task->tgid, sender->flags & PF_EXITING);
    /* Without particulars it is the timer of setitimer; what else the kernel sends by that number, the program has asked for. */
    if (of_timer && from == SIGNAL_FROM_KERNEL && particulars != 1) from = SIGNAL_FROM_UNKNOWN;
    if (from == SIGNAL_FROM_PROCESS && told_signals >> bit & 1)
        send_signal(sender, task, number, group, result);
    /* One that was ignored, or was pending already, ends nobody. */
    if (result != 0 && result != 4) return 0;
    if (!(KEPT_SIGNALS >> bit & 1) && !(of_timer && is_uncaught(task, number))) return 0;
    struct signal_key key = {waggle_start_ns(task), task->tgid, number};
    struct who_signalled who = {};
    who.from = from;
    if (from == SIGNAL_FROM_PROCESS) {
        struct task_struct* parent = waggle_parent(sender);
        who.pid = sender->tgid;
        who.start_ns = waggle_start_ns(sender);
        who.parent_pid = BPF_CORE_READ(parent, tgid);
        waggle_process_comm(who.comm, sender);
        waggle_process_comm(who.parent_comm, parent);
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
