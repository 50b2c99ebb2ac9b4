// SPDX-License-Identifier: GPL-2.0
/* Each thread is in one state at a time, and each moment of the scheduler moves it to the next: what it spent in the
 * state it leaves is added to that state's sum. So the sums of all states are the time the thread was watched. */
/* clang-format off */
#include "bpf/ring.h"
#include "bpf/process_flags.h"
#include "sensors/run_queue/run_queue.event.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define BPF_F_MMAPABLE 1024
#define WORD_STATE 7ull
#define CPU_IDLE 1
#define CPU_BUSY 2

/* Of task->__state (include/linux/sched.h). */
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4
#define TASK_TRACED 0x8
#define TASK_DEAD 0x80
#define TASK_NOLOAD 0x400

#define PIDTYPE_SID 3 /* enum pid_type (include/linux/pid_types.h) */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct cfs_rq___quota {
    int throttle_count;
};
struct sched_entity___queued {
    struct cfs_rq___quota* cfs_rq;
};
struct thread_info___placed {
    u32 cpu;
};
struct autogroup___nice {
    int nice;
};
struct task_group___session {
    struct cgroup_subsys_state css;
    struct task_group___session* parent;
    struct autogroup___nice* autogroup;
};
struct cpumask___allowed {
    unsigned long bits[1];
};
struct upid___session {
    int nr;
};
struct pid___session {
    struct upid___session numbers[1];
};
struct signal_struct___session {
    struct pid___session* pids[4];
};
struct task_struct___scheduled {
    struct thread_info___placed thread_info;
    unsigned int __state;
    int on_cpu;
    int static_prio;
    unsigned int policy;
    unsigned int rt_priority;
    int nr_cpus_allowed;
    struct cpumask___allowed cpus_mask;
    struct signal_struct___session* signal;
    unsigned int in_iowait : 1;
    struct sched_entity___queued se;
    struct task_group___session* sched_task_group;
};
struct bpf_iter__task {
    struct task_struct* task;
};
#pragma clang attribute pop

const volatile __u64 least_wait_ns = 0; /* that is told as an event */
__u32 watching = 0;                     /* set by the reader when every hook is in place */
__u32 epoch = 1;                        /* raised by the reader with each reading */
__u64 lost_table_full = 0;              /* moments of threads that found no room */
__u64 lost_replaced = 0;                /* threads whose end was missed */

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, RUN_QUEUE_BUCKETS);
    __type(key, __u32);
    __type(value, struct run_queue_bucket);
} threads SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1); /* the reader makes it as many as there can be */
    __type(key, __u32);
    __type(value, struct run_queue_processor);
} processors SEC(".maps");

static __always_inline struct task_struct___scheduled* scheduled(struct task_struct* task) {
    return (struct task_struct___scheduled*)task;
}

/* Who it is: once, and again after each reading, because names and groups change. */
static __noinline int read_who(struct run_queue_thread* thread, struct task_struct* task) {
    if (!thread || !task) return 0;
    struct task_struct* leader = BPF_CORE_READ(task, group_leader);
    thread->epoch = epoch;
    thread->pid = BPF_CORE_READ(task, tgid);
    thread->start_ns = BPF_CORE_READ(leader, start_boottime);
    thread->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
    bpf_probe_read_kernel(thread->comm, sizeof thread->comm, &leader->comm);
    bpf_probe_read_kernel(thread->name, sizeof thread->name, &task->comm);
    thread->kernel_thread = (BPF_CORE_READ(task, flags) & PF_KTHREAD) != 0;
    struct task_struct___scheduled* more = scheduled(task);
    thread->nice = BPF_CORE_READ(more, static_prio) - 120;
    thread->policy = BPF_CORE_READ(more, policy);
    thread->priority = BPF_CORE_READ(more, rt_priority);
    thread->allowed_cpus = BPF_CORE_READ(more, nr_cpus_allowed);
    thread->allowed = BPF_CORE_READ(more, cpus_mask.bits[0]);
    thread->session = BPF_CORE_READ(more, signal, pids[PIDTYPE_SID], numbers[0].nr);
    /* The session's group, where the kernel divides by session: in force only below the group of all. */
    thread->group_nice = 0;
    thread->by_session = 0;
    thread->cpu_group_id = 0;
    if (!bpf_core_field_exists(more->sched_task_group)) return 0;
    struct task_group___session* group = BPF_CORE_READ(more, sched_task_group);
    if (!group) return 0;
    thread->cpu_group_id = BPF_CORE_READ(group, css.cgroup, kn, id);
    if (!bpf_core_field_exists(group->autogroup) || !BPF_CORE_READ(group, parent)) return 0;
    struct autogroup___nice* session = BPF_CORE_READ(group, autogroup);
    if (!session) return 0;
    thread->group_nice = BPF_CORE_READ(session, nice);
    thread->by_session = 1;
    return 0;
}

static __always_inline struct run_queue_bucket* bucket_of(__u32 tid) {
    __u32 index = tid & (RUN_QUEUE_BUCKETS - 1);
    return bpf_map_lookup_elem(&threads, &index);
}

static __always_inline struct run_queue_thread* entry_of(struct run_queue_bucket* bucket, __u32 tid) {
    if (bucket->tid[0] == tid) return &bucket->thread[0];
    if (bucket->tid[1] == tid) return &bucket->thread[1];
    if (bucket->tid[2] == tid) return &bucket->thread[2];
    if (bucket->tid[3] == tid) return &bucket->thread[3];
    return 0;
}

static __always_inline struct run_queue_thread* claim_entry(struct run_queue_bucket* bucket, __u32 tid) {
    if (__sync_val_compare_and_swap(&bucket->tid[0], 0, tid) == 0) return &bucket->thread[0];
    if (__sync_val_compare_and_swap(&bucket->tid[1], 0, tid) == 0) return &bucket->thread[1];
    if (__sync_val_compare_and_swap(&bucket->tid[2], 0, tid) == 0) return &bucket->thread[2];
    if (__sync_val_compare_and_swap(&bucket->tid[3], 0, tid) == 0) return &bucket->thread[3];
    return 0;
}

/* The thread's entry where there is one. */
static __always_inline struct run_queue_thread* known(struct task_struct* task) {
    __u32 tid = task->pid;
    struct run_queue_bucket* bucket = bucket_of(tid);
    struct run_queue_thread* thread = bucket ? entry_of(bucket, tid) : 0;
    return thread && thread->born == task->start_time ? thread : 0;
}

/* The same, made where there is none; null when there is no room. */
static __noinline struct run_queue_thread* make(struct task_struct* task) {
    if (!task) return 0;
    __u32 tid = BPF_CORE_READ(task, pid);
    __u64 born = BPF_CORE_READ(task, start_time);
    struct run_queue_bucket* bucket = bucket_of(tid);
    if (!bucket) return 0;
    struct run_queue_thread* thread = entry_of(bucket, tid);
    if (thread) {
        if (!thread->born) return thread; /* just being made by the pass over all threads */
        /* Another thread had this number, and the reader has not come by since. */
        __sync_fetch_and_add(&lost_replaced, 1);
        __builtin_memset(thread, 0, sizeof *thread);
    } else {
        thread = claim_entry(bucket, tid);
        if (!thread) {
            __sync_fetch_and_add(&lost_table_full, 1);
            return 0;
        }
    }
    read_who(thread, task);
    thread->born = born;
    return thread;
}

static __always_inline struct run_queue_thread* follow(struct task_struct* task) {
    struct run_queue_thread* thread = known(task);
    return thread ? thread : make(task);
}

/* Into the next state. The reader takes sums and word together when the word is the same before and after, so it must
 * not be while they do not fit. */
static __always_inline void move_on(struct run_queue_thread* thread, __u64 word, __u64 now, __u32 state) {
    __u64 since = word & ~WORD_STATE;
    now &= ~WORD_STATE;
    if (since && now > since) {
        *(volatile __u64*)&thread->word = 0;
        thread->state_ns[word & WORD_STATE] += now - since;
    }
    *(volatile __u64*)&thread->word = now | state;
}

/* Its control group, or one above, had used up its quota of processor time. */
static __always_inline _Bool is_held(struct task_struct* task) {
    struct task_struct___scheduled* more = scheduled(task);
    if (!bpf_core_field_exists(more->se.cfs_rq) || !bpf_core_type_exists(struct cfs_rq___quota)) return 0;
    if (!bpf_core_field_exists(((struct cfs_rq___quota*)0)->throttle_count)) return 0;
    struct cfs_rq___quota* queue = more->se.cfs_rq;
    return queue && queue->throttle_count > 0;
}

static __always_inline __u32 ready_state(struct task_struct* task) {
    return is_held(task) ? RUN_QUEUE_HELD : RUN_QUEUE_WAITS;
}

static __always_inline __u32 asleep_state(struct task_struct* task, __u32 state) {
    if (BPF_CORE_READ_BITFIELD(scheduled(task), in_iowait)) return RUN_QUEUE_IO;
    if (state & (TASK_STOPPED | TASK_TRACED)) return RUN_QUEUE_STOPPED;
    if (state & TASK_UNINTERRUPTIBLE && !(state & TASK_NOLOAD)) return RUN_QUEUE_UNINTERRUPTIBLE;
    return RUN_QUEUE_SLEEPS;
}

/* A kernel can leave out the event of a switch: one was seen where a few of 10,000 were missing, all of them from the
 * same few threads. So who leaves a processor had not come to it, as far as was seen. It had not before the last switch
 * that was seen there; since then it is not known when. */
static __noinline __u64 came_unseen(struct run_queue_thread* thread, __u64 last) {
    if (!thread) return 0;
    __u64 word = thread->word, since = word & ~WORD_STATE;
    __u32 state = word & WORD_STATE;
    if (state == RUN_QUEUE_WAITS) thread->waits++;
    if (state == RUN_QUEUE_HELD) thread->held++;
    if (last <= since) return since;
    move_on(thread, word, last, RUN_QUEUE_UNKNOWN);
    return last & ~WORD_STATE;
}

static __always_inline void count_slice(struct run_queue_processor* processor, __u64 word, __u64 now) {
    __u64 since = word & ~WORD_STATE;
    if ((word & WORD_STATE) != RUN_QUEUE_RUNS || !since || now <= since) return;
    __u32 slot = waggle_hist_slot(now - since, RUN_QUEUE_UNIT, RUN_QUEUE_END);
    if (slot < RUN_QUEUE_SLOTS) processor->slice_slots[slot]++;
}

static __always_inline void leaves(struct task_struct* prev, struct run_queue_processor* processor,
                                   _Bool preempted, __u64 last, __u64 now) {
    struct run_queue_thread* thread = follow(prev);
    if (!thread) return;
    __u64 word = thread->word;
    if (waggle_named(RUN_QUEUE_SLICE)) count_slice(processor, word, now);
    if ((word & WORD_STATE) > RUN_QUEUE_RUNS) word = came_unseen(thread, last);
    /* As __schedule() decides: one that was preempted, or that a signal kept from sleeping, stays in the queue. */
    __u32 state = scheduled(prev)->__state;
    if (preempted || state == 0) {
        thread->involuntary++;
        thread->moved_ns = 0;
        move_on(thread, word, now, ready_state(prev));
    } else {
        thread->voluntary++;
        if (state & TASK_DEAD) {
            read_who(thread, prev); /* what it was last */
            move_on(thread, word, now, RUN_QUEUE_UNKNOWN);
            thread->ended = 1;
            return;
        }
        move_on(thread, word, now, asleep_state(prev, state));
    }
    if (thread->epoch != epoch) {
        read_who(thread, prev);
        return;
    }
    /* What a thread changes when it begins is not left for the next reading; one in real time can hold that up. */
    struct task_struct___scheduled* more = scheduled(prev);
    thread->nice = more->static_prio - 120;
    thread->policy = more->policy;
    thread->priority = more->rt_priority;
    thread->allowed_cpus = more->nr_cpus_allowed;
    thread->allowed = more->cpus_mask.bits[0];
}

static __always_inline void longest_wait(struct run_queue_thread* thread, __u64 wait_ns) {
    __u32 at = epoch, place = at & 1;
    if (thread->longest_epoch[place] != at) {
        thread->longest_epoch[place] = at;
        thread->longest_ns[place] = 0;
    }
    if (wait_ns > thread->longest_ns[place]) thread->longest_ns[place] = wait_ns;
}

static __noinline int send_event(struct task_struct* next, struct task_struct* prev, __u64 wait_ns,
                                 __u32 held) {
    if (!next || !prev) return 0;
    struct run_queue_wait_event* event = waggle_reserve(sizeof *event);
    if (!event) return 0;
    struct task_struct* leader = BPF_CORE_READ(next, group_leader);
    event->header.kind = RUN_QUEUE_WAIT;
    event->header.reserved = 0;
    event->header.size = sizeof *event;
    event->header.time_ns = bpf_ktime_get_ns();
    event->header.start_ns = BPF_CORE_READ(leader, start_boottime);
    event->header.cgroup_id = BPF_CORE_READ(next, cgroups, dfl_cgrp, kn, id);
    event->header.pid = BPF_CORE_READ(next, tgid);
    event->header.tid = BPF_CORE_READ(next, pid);
    bpf_probe_read_kernel(event->header.comm, sizeof event->header.comm, &next->comm);
    event->wait_ns = wait_ns;
    event->cpu = bpf_get_smp_processor_id();
    event->before_pid = BPF_CORE_READ(prev, tgid);
    __builtin_memset(event->before_comm, 0, sizeof event->before_comm);
    if (event->before_pid) bpf_probe_read_kernel(event->before_comm, sizeof event->before_comm, &prev->comm);
    event->held = held != 0;
    __builtin_memset(event->reserved, 0, sizeof event->reserved);
    waggle_submit(event);
    return 0;
}

static __always_inline void comes(struct task_struct* next, struct task_struct* prev,
                                  struct run_queue_processor* processor, __u32 cpu, __u64 now) {
    struct run_queue_thread* thread = follow(next);
    if (!thread) return;
    __u64 word = thread->word, since = word & ~WORD_STATE;
    __u32 state = word & WORD_STATE;
    if (since && (state == RUN_QUEUE_WAITS || state == RUN_QUEUE_HELD)) {
        __u64 wait_ns = now > since ? now - since : 0;
        if (state == RUN_QUEUE_HELD) {
            thread->held++;
        } else {
            thread->waits++;
            longest_wait(thread, wait_ns);
            processor->waits++;
            __u64 queued = thread->moved_ns > since ? thread->moved_ns : since;
            if (now > queued) __sync_fetch_and_add(&processor->queue_ns, now - queued);
            __u32 slot = waggle_hist_slot(wait_ns, RUN_QUEUE_UNIT, RUN_QUEUE_END);
            if (slot < RUN_QUEUE_SLOTS) processor->slots[slot]++;
        }
        if (events_wanted && wait_ns >= least_wait_ns && waggle_task_wanted(next))
            send_event(next, prev, wait_ns, state == RUN_QUEUE_HELD);
    }
    if (state == RUN_QUEUE_RUNS) word = since; /* it left unseen */
    thread->cpu = cpu;
    move_on(thread, word, now, RUN_QUEUE_RUNS);
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, bool preempted, struct task_struct* prev, struct task_struct* next) {
    if (!watching) return 0;
    __u64 now = bpf_ktime_get_ns();
    __u32 cpu = bpf_get_smp_processor_id();
    struct run_queue_processor* processor = bpf_map_lookup_elem(&processors, &cpu);
    if (!processor) return 0;
    __u64 word = processor->word, since = word & ~WORD_STATE, rounded = now & ~WORD_STATE;
    __u32 state = word & WORD_STATE;
    if ((state == CPU_BUSY) != (prev->pid != 0)) state = 0;
    if (since && rounded > since && state < 3) {
        *(volatile __u64*)&processor->word = 0;
        processor->state_ns[state] += rounded - since;
    }
    *(volatile __u64*)&processor->word = rounded | (next->pid ? CPU_BUSY : CPU_IDLE);
    processor->switches++;
    processor->tid = next->pid;
    if (prev->pid) leaves(prev, processor, preempted, since, now);
    if (next->pid) comes(next, prev, processor, cpu, now);
    return 0;
}

SEC("tp_btf/sched_wakeup")
int BPF_PROG(on_wakeup, struct task_struct* task) {
    struct run_queue_thread* thread = known(task);
    if (!thread) return 0;
    __u64 word = thread->word;
    /* Woken before it had left the processor, or the queue: it has not slept. */
    if ((word & WORD_STATE) < RUN_QUEUE_SLEEPS) return 0;
    thread->cpu = scheduled(task)->thread_info.cpu;
    thread->moved_ns = 0;
    move_on(thread, word, bpf_ktime_get_ns(), ready_state(task));
    return 0;
}

SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_new, struct task_struct* task) {
    if (!watching) return 0;
    struct run_queue_thread* thread = follow(task);
    if (!thread) return 0;
    thread->cpu = scheduled(task)->thread_info.cpu;
    move_on(thread, thread->word, bpf_ktime_get_ns(), ready_state(task));
    return 0;
}

/* To another processor's queue: what it waited in this one is counted there. */
SEC("tp_btf/sched_migrate_task")
int BPF_PROG(on_migrate, struct task_struct* task, int to) {
    struct run_queue_thread* thread = known(task);
    if (!thread) return 0;
    thread->migrations++;
    __u64 word = thread->word, since = word & ~WORD_STATE;
    __u32 from = thread->cpu;
    thread->cpu = to;
    if (!since || (word & WORD_STATE) != RUN_QUEUE_WAITS) return 0;
    struct run_queue_processor* processor = bpf_map_lookup_elem(&processors, &from);
    __u64 now = bpf_ktime_get_ns(), queued = thread->moved_ns > since ? thread->moved_ns : since;
    if (processor && now > queued) __sync_fetch_and_add(&processor->queue_ns, now - queued);
    thread->moved_ns = now;
    return 0;
}

/* A new program has a new name. One that another thread than the first began takes the first one's number. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct* task, pid_t old_tid) {
    struct run_queue_thread* thread = known(task);
    if (thread) {
        thread->ended = 0;
        if ((thread->word & WORD_STATE) == RUN_QUEUE_UNKNOWN)
            move_on(thread, thread->word, bpf_ktime_get_ns(), RUN_QUEUE_RUNS);
        read_who(thread, task);
    }
    if (old_tid == task->pid) return 0;
    struct run_queue_bucket* bucket = bucket_of(old_tid);
    struct run_queue_thread* old = bucket ? entry_of(bucket, old_tid) : 0;
    if (!old) return 0;
    move_on(old, old->word, bpf_ktime_get_ns(), RUN_QUEUE_UNKNOWN);
    old->ended = 1;
    return 0;
}

/* All threads that are there already, once the hooks are in place. An entry belongs to whoever made it: where a hook
 * was first, or comes between, what it writes stands. */
SEC("iter/task")
int on_task(struct bpf_iter__task* context) {
    struct task_struct* task = context->task;
    if (!task || !task->pid) return 0;
    __u32 tid = task->pid;
    struct run_queue_bucket* bucket = bucket_of(tid);
    if (!bucket || entry_of(bucket, tid) || scheduled(task)->__state & TASK_DEAD) return 0;
    struct run_queue_thread* thread = claim_entry(bucket, tid);
    if (!thread) {
        __sync_fetch_and_add(&lost_table_full, 1);
        return 0;
    }
    read_who(thread, task);
    thread->cpu = scheduled(task)->thread_info.cpu;
    thread->born = task->start_time;
    __u32 state = scheduled(task)->__state;
    _Bool runs = scheduled(task)->on_cpu != 0;
    __u32 is = runs ? RUN_QUEUE_RUNS : state == 0 ? RUN_QUEUE_WAITS : asleep_state(task, state);
    __u64 now = bpf_ktime_get_ns() & ~WORD_STATE;
    __sync_val_compare_and_swap(&thread->word, 0, now | is);
    if (!runs) return 0;
    __u32 cpu = thread->cpu;
    struct run_queue_processor* processor = bpf_map_lookup_elem(&processors, &cpu);
    if (processor) __sync_val_compare_and_swap(&processor->word, 0, now | CPU_BUSY);
    return 0;
}
