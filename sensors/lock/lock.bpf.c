// SPDX-License-Identifier: GPL-2.0
/* A thread that finds a lock taken marks it as waited for and sleeps in futex(2) until it is woken. What the lock is like
 * is the program's own affair; the kernel sees an address and the value that stands there. So a lock is what is slept for
 * by FUTEX_LOCK_PI, or with the value 2: that is "taken, and others wait" in the mutexes of glibc, of Rust's library and
 * of Go's runtime. Nothing is asked at a system call: the scheduler knows who goes to sleep and who wakes whom, and a
 * thread's registers say what it has called. */
#include "bpf/ring.h"
#include "bpf/task.h"
#include "sensors/lock/lock.event.h"

char LICENSE[] SEC("license") = "GPL";

#define NR_FUTEX 202 /* x86-64 */
#define FUTEX_COMMAND 127
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_LOCK_PI 6
#define FUTEX_UNLOCK_PI 7
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_LOCK_PI2 13
#define TAKEN_AND_WAITED_FOR 2
#define TASK_INTERRUPTIBLE 1

__u64 lost_map_full = 0; /* a lock, thread or releaser that found no room */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct___slept {
    unsigned int __state;
};
#pragma clang attribute pop

struct lock_key {
    __u64 start_ns;
    __u64 address;
    __u32 pid;
    __u32 tid; /* of a releaser; else 0 */
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct lock_key);
    __type(value, struct lock_event);
} locks SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 8192);
    __type(key, struct lock_key);
    __type(value, struct lock_releaser_event);
} releasers SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u32); /* the thread */
    __type(value, struct lock_waiter);
} waiters SEC(".maps");

static __always_inline _Bool waits_for_lock(const struct pt_regs* registers) {
    if (registers->orig_ax != NR_FUTEX) return 0;
    switch (registers->si & FUTEX_COMMAND) {
        case FUTEX_LOCK_PI:
        case FUTEX_LOCK_PI2:
            return 1;
        case FUTEX_WAIT:
        case FUTEX_WAIT_BITSET:
            return (__u32)registers->dx == TAKEN_AND_WAITED_FOR;
    }
    return 0;
}

static __always_inline _Bool wakes_at(const struct pt_regs* registers, __u64 address) {
    if (registers->orig_ax != NR_FUTEX || registers->di != address) return 0;
    const __u64 command = registers->si & FUTEX_COMMAND;
    return command == FUTEX_WAKE || command == FUTEX_WAKE_BITSET || command == FUTEX_UNLOCK_PI;
}

/* Another thread of the process can have made it meanwhile. */
static __always_inline void count_if_full(long made) {
    if (made == -7 /* E2BIG */ || made == -12 /* ENOMEM */) __sync_fetch_and_add(&lost_map_full, 1);
}

static __noinline int make_lock(struct lock_key* key) {
    struct task_struct* task = bpf_get_current_task_btf();
    struct lock_event made = {};
    if (!key) return 0;
    waggle_header(&made.header, lock_kind_lock, sizeof made, task);
    made.header.tid = made.header.pid;
    waggle_process_comm(made.header.comm, task);
    made.address = key->address;
    count_if_full(bpf_map_update_elem(&locks, key, &made, BPF_NOEXIST));
    return 0;
}

static __noinline int make_releaser(struct lock_key* key) {
    struct lock_releaser_event made = {};
    if (!key) return 0;
    waggle_header(&made.header, lock_kind_releaser, sizeof made, bpf_get_current_task_btf());
    made.address = key->address;
    count_if_full(bpf_map_update_elem(&releasers, key, &made, BPF_NOEXIST));
    return 0;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool preempted, struct task_struct* task) {
    if (preempted || task->flags & PF_KTHREAD) return 0;
    if (!(((struct task_struct___slept*)task)->__state & TASK_INTERRUPTIBLE)) return 0;
    const struct pt_regs* registers = (const struct pt_regs*)bpf_task_pt_regs(task);
    if (!waits_for_lock(registers) || !waggle_task_wanted(task)) return 0;
    __u32 tid = task->pid;
    struct lock_waiter waiter = {bpf_ktime_get_ns(), registers->di, 0, waggle_start_ns(task), task->tgid, 0};
    struct lock_key key = {waiter.start_ns, waiter.address, waiter.pid, 0};
    if (!bpf_map_lookup_elem(&locks, &key)) make_lock(&key);
    count_if_full(bpf_map_update_elem(&waiters, &tid, &waiter, BPF_ANY));
    return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct* woken) {
    __u32 tid = woken->pid;
    struct lock_waiter* waiter = bpf_map_lookup_elem(&waiters, &tid);
    if (!waiter || !waiter->since_ns) return 0;
    const __u64 now = bpf_ktime_get_ns();
    const __u64 waited = now - waiter->since_ns;
    waiter->since_ns = 0;
    waiter->woken_ns = now;
    struct lock_key key = {waiter->start_ns, waiter->address, waiter->pid, 0};
    struct lock_event* lock = bpf_map_lookup_elem(&locks, &key);
    if (!lock) return 0;
    __sync_fetch_and_add(&lock->waits, 1);
    __sync_fetch_and_add(&lock->wait_ns, waited);

    struct task_struct* waker = bpf_get_current_task_btf();
    if (waker->tgid != waiter->pid || !waggle_in_system_call(ctx, waker) ||
        !wakes_at((const struct pt_regs*)bpf_task_pt_regs(waker), waiter->address))
        return 0;
    __sync_fetch_and_add(&lock->woken, 1);
    tid = waker->pid;
    struct lock_waiter* before = bpf_map_lookup_elem(&waiters, &tid);
    __u64 held = 0;
    if (before && before->address == waiter->address) {
        __sync_fetch_and_add(&lock->woken_by_waiters, 1);
        if (before->woken_ns) held = now - before->woken_ns;
        before->woken_ns = 0;
    }
    key.tid = tid;
    struct lock_releaser_event* releaser = bpf_map_lookup_elem(&releasers, &key);
    if (!releaser) {
        make_releaser(&key);
        releaser = bpf_map_lookup_elem(&releasers, &key);
        if (!releaser) return 0;
    }
    releaser->woken++; /* the thread's own: nobody else counts there */
    if (held) {
        releaser->held++;
        releaser->held_ns += held;
    }
    return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct* task) {
    __u32 tid = task->pid;
    bpf_map_delete_elem(&waiters, &tid);
    return 0;
}
