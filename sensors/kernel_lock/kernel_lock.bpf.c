// SPDX-License-Identifier: GPL-2.0
/* Waits for locks of the kernel, from contention_begin to contention_end. The stack is walked and the row made when a wait
 * begins: when it ends the lock is held, and who else wants it waits for this program too. */
#include "bpf/ring.h"
#include "bpf/task.h"
#include "sensors/kernel_lock/kernel_lock.event.h"

char LICENSE[] SEC("license") = "GPL";

/* Up to 4 frames of the tracepoint and this program, up to 4 of the lock, its caller, and one to spare. */
#define STACK_DEPTH 10
/* Thread, softirq, hardirq, NMI; and who waits for a read-write lock waits for its queue as well. */
#define MOST_NESTED 8

/* include/linux/preempt.h: the same from 5.19 to 6.18 */
#define SERVES_SOFTIRQ 0x100
#define HARDIRQ_MASK 0xf0000
#define NMI_MASK 0xf00000

__u64 lost_map_full = 0; /* a wait that found no room */
__u32 reading = 0;       /* how often it was read */

/* The code of locks that spin, and of those that sleep, as perf tells it from that of their callers. 0 where it is not known. */
const volatile __u64 lock_text_start = 0;
const volatile __u64 lock_text_end = 0;
const volatile __u64 sched_text_start = 0;
const volatile __u64 sched_text_end = 0;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct pcpu_hot {
    int preempt_count;
};
/* Only their offsets are asked for. */
struct rw_semaphore {
    int unused;
};
typedef struct spinlock {
    int unused;
} spinlock_t;
struct mm_struct___locked {
    struct rw_semaphore mmap_lock;
};
struct sighand_struct {
    spinlock_t siglock;
};
struct files_struct {
    spinlock_t file_lock;
};
struct task_struct___locked {
    struct mm_struct* mm;
    struct sighand_struct* sighand;
    struct files_struct* files;
};
#pragma clang attribute pop

/* A variable of its own until 6.1 and from 6.15 on ("x86/preempt: Move preempt count to percpu hot section"), part of
 * pcpu_hot between ("x86/percpu: Move preempt_count next to current_task", 6.2). */
extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct kernel_lock_key);
    __type(value, struct kernel_lock_state);
} rows SEC(".maps");
/* Where that is full: all locks of one process, place and type together. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct kernel_lock_key);
    __type(value, struct kernel_lock_state);
} rows_of_the_rest SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct kernel_lock_sleeper);
    __type(value, struct kernel_lock_wait);
} sleepers SEC(".maps");

/* Who spins stays on its processor, and what interrupts it can spin as well. */
struct processor {
    __u32 inside; /* a program of this room runs */
    __u32 depth;
    struct kernel_lock_wait spins[MOST_NESTED];
    struct kernel_lock_wait begun;
    __u64 stack[STACK_DEPTH];
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct processor);
} processors SEC(".maps");
/* A row too large for the stack, built here; always empty but for what is written. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct kernel_lock_state);
} new_row SEC(".maps");

/* The maps of these programs have locks too, and so has what interrupts a program. Such a wait begins and ends while the
 * program runs; for one of both the kernel would have to run the same program again, and counts that it does not. */
static __always_inline struct processor* enter(void) {
    __u32 zero = 0;
    struct processor* here = bpf_map_lookup_elem(&processors, &zero);
    if (!here || here->inside) return 0;
    here->inside = 1;
    barrier();
    return here;
}

static __always_inline void leave(struct processor* here) {
    barrier();
    here->inside = 0;
}

static __always_inline __u32 context_by_count(void) {
    __u32 count = 0;
    if (&__preempt_count) {
        const int* own = bpf_this_cpu_ptr(&__preempt_count);
        count = *own;
    } else if (&pcpu_hot) {
        const struct pcpu_hot* hot = bpf_this_cpu_ptr(&pcpu_hot);
        count = hot->preempt_count;
    }
    if (count & NMI_MASK) return kernel_lock_in_nmi;
    if (count & HARDIRQ_MASK) return kernel_lock_in_hardirq;
    if (count & SERVES_SOFTIRQ) return kernel_lock_in_softirq;
    return kernel_lock_in_thread;
}

/* Where the kernel does not name its variables, the count is not to be had. */
static __always_inline __u32 context_by_stack(const __u64* context) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (!waggle_on_own_stack(context, task)) return kernel_lock_in_interrupt;
    if (task->flags & PF_KTHREAD || waggle_in_system_call(context, task)) return kernel_lock_in_thread;
    return kernel_lock_in_any;
}

static __always_inline _Bool in_lock_code(__u64 address, _Bool spins) {
    /* An address a call returns to can be the first behind its function. */
    if (address > lock_text_start && address <= lock_text_end) return 1;
    return !spins && address > sched_text_start && address <= sched_text_end;
}

/* The first function above those of the lock. */
static __always_inline __u64 caller(__u64* context, __u64* stack, _Bool spins) {
    long size = bpf_get_stack(context, stack, STACK_DEPTH * sizeof *stack, 0);
    _Bool reached = 0;
    for (int i = 0; i < STACK_DEPTH; i++) {
        if ((i + 1) * (long)sizeof *stack > size) break;
        _Bool is_lock = in_lock_code(stack[i], spins);
        if (reached && !is_lock) return stack[i];
        reached |= is_lock;
    }
    return 0;
}

static __always_inline __u64 known_lock(struct task_struct* task, __u64 address) {
    struct task_struct___locked* owner = (void*)task;
    __u64 mm = (__u64)BPF_CORE_READ(owner, mm);
    if (mm && address == mm + bpf_core_field_offset(struct mm_struct___locked, mmap_lock))
        return kernel_lock_mmap;
    if (address ==
        (__u64)BPF_CORE_READ(owner, sighand) + bpf_core_field_offset(struct sighand_struct, siglock))
        return kernel_lock_signals;
    if (address == (__u64)BPF_CORE_READ(owner, files) + bpf_core_field_offset(struct files_struct, file_lock))
        return kernel_lock_files;
    return address;
}

static __noinline int make_row(struct kernel_lock_wait* wait) {
    __u32 zero = 0;
    struct kernel_lock_state* made = bpf_map_lookup_elem(&new_row, &zero);
    if (!made || !wait) return 0;
    struct task_struct* task = bpf_get_current_task_btf();
    struct kernel_lock_event* row = &made->row;
    if (wait->row.pid) {
        waggle_header(&row->header, 0, sizeof *row, task);
        row->header.tid = row->header.pid;
        waggle_process_comm(row->header.comm, task);
    } else {
        __builtin_memset(&row->header, 0, sizeof row->header);
        row->header.size = sizeof *row;
    }
    row->address = wait->row.address;
    row->lock = wait->row.address ? known_lock(task, wait->row.address) : kernel_lock_unknown;
    row->function = wait->row.function;
    row->type = wait->row.type;
    row->context = wait->row.context;
    /* Another processor can have made it meanwhile. */
    const long result = wait->row.address
                            ? bpf_map_update_elem(&rows, &wait->row, made, BPF_NOEXIST)
                            : bpf_map_update_elem(&rows_of_the_rest, &wait->row, made, BPF_NOEXIST);
    return result == 0 || result == -17 /* EEXIST */;
}

static __always_inline struct kernel_lock_state* find_row(struct kernel_lock_key* key) {
    return key->address ? bpf_map_lookup_elem(&rows, key) : bpf_map_lookup_elem(&rows_of_the_rest, key);
}

/* Whether it has a row: its own, or one that it shares with others. */
static __always_inline _Bool has_row(struct kernel_lock_wait* wait) {
    if (find_row(&wait->row) || make_row(wait)) return 1;
    wait->row.address = 0;
    return find_row(&wait->row) || make_row(wait);
}

static __always_inline void fill(struct kernel_lock_wait* wait, struct task_struct* task, __u64 address,
                                 __u32 flags, __u32 context) {
    wait->address = wait->row.address = address;
    wait->row.type = flags & kernel_lock_mutex ? flags & ~kernel_lock_spins : flags;
    wait->row.context = context;
    const _Bool own = wait->row.context == kernel_lock_in_thread;
    wait->row.pid = own ? task->tgid : 0;
    wait->row.start_ns = own && task->tgid ? waggle_start_ns(task) : 0;
    wait->spun_ns = 0;
}

/* Interrupts and the idle task are no process's. */
static __always_inline _Bool wanted(struct kernel_lock_wait* wait, struct task_struct* task) {
    if (wait->row.pid) return waggle_task_wanted(task);
    return !only_pid && !only_cgroup_id && !filter_comm;
}

/* A mutex says again and again whether the one that waits spins or sleeps. */
static __always_inline _Bool goes_on(struct kernel_lock_sleeper* key, __u32 flags) {
    struct kernel_lock_wait* wait = bpf_map_lookup_elem(&sleepers, key);
    if (!wait) return 0;
    __u64 now = bpf_ktime_get_ns();
    if (wait->spins_since_ns) wait->spun_ns += now - wait->spins_since_ns;
    wait->spins_since_ns = flags & kernel_lock_spins ? now : 0;
    return 1;
}

/* An interrupt cannot sleep. */
static __always_inline _Bool only_spins_for(__u32 flags) {
    return (flags & (kernel_lock_spins | kernel_lock_mutex)) == kernel_lock_spins;
}

static __always_inline void begin(void* at, struct processor* here, __u64 address, __u32 flags,
                                  __u32 context) {
    struct task_struct* task = bpf_get_current_task_btf();
    const _Bool only_spins = only_spins_for(flags);
    struct kernel_lock_sleeper key = {address, task->pid};
    if (flags & kernel_lock_mutex && goes_on(&key, flags)) return;
    struct kernel_lock_wait* wait = &here->begun;
    fill(wait, task, address, flags, context);
    if (!wanted(wait, task)) return;
    wait->row.function = caller(at, here->stack, only_spins);
    if (!has_row(wait)) {
        __sync_fetch_and_add(&lost_map_full, 1);
        return;
    }
    /* What was done here is no wait. */
    wait->since_ns = bpf_ktime_get_ns();
    wait->spins_since_ns = flags & kernel_lock_spins ? wait->since_ns : 0;
    if (!only_spins) {
        if (bpf_map_update_elem(&sleepers, &key, wait, BPF_ANY)) __sync_fetch_and_add(&lost_map_full, 1);
    } else {
        const __u32 at = here->depth < MOST_NESTED ? here->depth : MOST_NESTED - 1;
        here->spins[at] = *wait;
        here->depth = at + 1;
    }
}

static __always_inline void keep_longest(struct kernel_lock_state* state, __u64 waited) {
    const __u64 at = reading & 0xff;
    const __u64 mine = at << KERNEL_LOCK_READING_SHIFT | (waited & KERNEL_LOCK_LONGEST_MASK);
    __u64* longest = &state->longest[at & 1];
    for (int tries = 0; tries < 4; tries++) {
        const __u64 before = *(volatile __u64*)longest;
        if (before >> KERNEL_LOCK_READING_SHIFT == at && before >= mine) return;
        if (__sync_val_compare_and_swap(longest, before, mine) == before) return;
    }
}

static __always_inline void count(struct kernel_lock_wait* wait, int result) {
    const __u64 now = bpf_ktime_get_ns();
    const __u64 waited = now - wait->since_ns;
    const __u64 spun = wait->spun_ns + (wait->spins_since_ns ? now - wait->spins_since_ns : 0);
    struct kernel_lock_state* state = find_row(&wait->row);
    if (!state) {
        /* It was left out as long unused, just before this wait ended. */
        if (has_row(wait)) state = find_row(&wait->row);
        if (!state) {
            __sync_fetch_and_add(&lost_map_full, 1);
            return;
        }
    }
    __sync_fetch_and_add(&state->row.waits, 1);
    __sync_fetch_and_add(&state->row.wait_ns, waited);
    if (spun) __sync_fetch_and_add(&state->row.spin_ns, spun);
    if (result) __sync_fetch_and_add(&state->row.given_up, 1);
    keep_longest(state, waited);
    waggle_hist_count(state->slots, waited, KERNEL_LOCK_UNIT, KERNEL_LOCK_END);
}

/* Whoever spins is the innermost; what was begun after it has ended unseen. */
static __always_inline struct kernel_lock_wait* spinner(struct processor* here, __u64 address) {
    for (int at = MOST_NESTED - 1; at >= 0; at--) {
        if (at >= here->depth || here->spins[at].address != address) continue;
        here->depth = at;
        return &here->spins[at];
    }
    return 0;
}

SEC("tp_btf/contention_begin")
int BPF_PROG(on_begin, void* lock, unsigned int flags) {
    struct processor* here = enter();
    if (!here) return 0;
    begin(ctx, here, (__u64)lock, flags, only_spins_for(flags) ? context_by_count() : kernel_lock_in_thread);
    leave(here);
    return 0;
}

SEC("tp_btf/contention_begin")
int BPF_PROG(on_begin_by_stack, void* lock, unsigned int flags) {
    struct processor* here = enter();
    if (!here) return 0;
    begin(ctx, here, (__u64)lock, flags,
          only_spins_for(flags) ? context_by_stack(ctx) : kernel_lock_in_thread);
    leave(here);
    return 0;
}

SEC("tp_btf/contention_end")
int BPF_PROG(on_end, void* lock, int result) {
    struct processor* here = enter();
    if (!here) return 0;
    struct kernel_lock_wait* spins = spinner(here, (__u64)lock);
    if (spins) {
        count(spins, result);
    } else {
        struct task_struct* task = bpf_get_current_task_btf();
        struct kernel_lock_sleeper key = {(__u64)lock, task->pid};
        struct kernel_lock_wait* sleeps = bpf_map_lookup_elem(&sleepers, &key);
        if (sleeps) {
            count(sleeps, result);
            bpf_map_delete_elem(&sleepers, &key);
        }
    }
    leave(here);
    return 0;
}
