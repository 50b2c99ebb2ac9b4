/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: one record for each wait that ended (Mode::events only). Everything else is counted in two
 * arrays that both sides have mapped: threads and processors. The reader makes rows of them. No padding; the sizes are
 * asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

/* What header.kind says. */
enum run_queue_kind {
    RUN_QUEUE_WAIT = 0,
    RUN_QUEUE_TOTAL = 1,
    RUN_QUEUE_CPU = 2,
    RUN_QUEUE_THREAD = 3,
    RUN_QUEUE_SLICE = 4,
};

/* Waits, and times on a processor, are counted from 256 ns to 17 s. */
#define RUN_QUEUE_UNIT 8
#define RUN_QUEUE_END 34
#define RUN_QUEUE_SLOTS WAGGLE_HIST_SLOTS(RUN_QUEUE_UNIT, RUN_QUEUE_END)

/* What a thread does, from one moment of the scheduler to the next. */
enum run_queue_state {
    RUN_QUEUE_UNKNOWN = 0,
    RUN_QUEUE_RUNS = 1,
    RUN_QUEUE_WAITS = 2,
    RUN_QUEUE_HELD = 3, /* ready as well, but its group had used up its quota when it got so */
    RUN_QUEUE_SLEEPS = 4,
    RUN_QUEUE_IO = 5, /* asleep, and the kernel counts it as waiting for I/O (task->in_iowait) */
    RUN_QUEUE_UNINTERRUPTIBLE = 6,
    RUN_QUEUE_STOPPED = 7,
    RUN_QUEUE_STATES = 8,
};

/* A thread. Only the processor that holds the scheduler's lock of the thread writes, so nothing is atomic; the reader
 * looks twice at `word`. */
struct run_queue_thread {
    __u64 word; /* since when it is in its state, in steps of 8 ns, and the state in the lowest three bits */
    __u64
        born; /* task->start_time, which tells it from the next one with its number; 0 until all is filled */
    __u64 state_ns[RUN_QUEUE_STATES];
    __u64 moved_ns; /* when it was last moved to another queue while it waits; else 0 */
    __u64 waits;
    __u64 held;
    __u64 voluntary;
    __u64 involuntary;
    __u64 migrations;
    __u64 longest_ns[2]; /* of the waits that ended in this reading, and in the one before */
    __u32 longest_epoch[2];
    __u64 start_ns;
    __u64 cgroup_id;
    __u32 pid;
    __u32 cpu;
    __u32 epoch; /* of the reading in which what follows was read */
    __u32 policy;
    __s32 nice;
    __s32 group_nice;   /* of its session, where the kernel divides by session (autogroup) */
    __u32 allowed_cpus; /* how many */
    __u8 kernel_thread;
    __u8 ended;
    __u8 by_session;
    __u8 reserved;
    char comm[WAGGLE_COMM_LEN]; /* of the process's first thread */
    char name[WAGGLE_COMM_LEN]; /* the thread's own */
    __u64 allowed;      /* the processors it may run on, a bit for each; of more than 64 the first 64 */
    __u32 priority;     /* real-time: 1 to 99; else 0 */
    __u32 session;      /* by the pid of who began it */
    __u64 cpu_group_id; /* the control group whose weight counts; 0 where that is its session's */
};

#define RUN_QUEUE_WAYS 4
#define RUN_QUEUE_BUCKETS \
    4096 /* 16,384 threads; numbers are given one after the other, so buckets fill evenly */
struct run_queue_bucket {
    __u32 tid[RUN_QUEUE_WAYS]; /* 0 = free */
    struct run_queue_thread thread[RUN_QUEUE_WAYS];
};

/* A processor. */
struct run_queue_processor {
    __u64 word; /* as of a thread; the state is 1 where it is idle, 2 where not */
    __u64 state_ns[3];
    __u64 switches;
    __u64 waits;
    __u64 queue_ns; /* of waits that ended here, or were moved away; the only one that others write too */
    __u32 tid;      /* who has it; 0: nobody, or not known yet */
    __u32 slots[RUN_QUEUE_SLOTS];
    __u32 slice_slots[RUN_QUEUE_SLOTS]; /* only where that table is asked for */
    __u32 reserved;
};

struct run_queue_wait_event {
    struct waggle_event header;
    __u64 wait_ns;
    __u32 cpu;
    __u32 before_pid; /* who had the processor until now; 0: it was idle */
    char before_comm[WAGGLE_COMM_LEN];
    __u8 held;
    __u8 reserved[7];
};

/* A list of processors as the kernel writes it ("0-3,8"), with the 0 at its end. */
#define RUN_QUEUE_LIST 48

/* Kind 1: one process since the last reading. */
struct run_queue_total_event {
    struct waggle_event header;
    __u64 covers_ns;
    __u64 run_ns;
    __u64 waits;
    __u64 wait_ns;
    __u64 longest_wait_ns;
    __u64 held;
    __u64 held_ns;
    __u64 voluntary;
    __u64 involuntary;
    __u64 migrations;
    __u64 sleep_ns;
    __u64 io_ns;
    __u64 uninterruptible_ns;
    __u64 stopped_ns;
    __u64 unseen_ns;
    __u64 cpu_group_id;
    __u32 threads;
    __s32 nice;
    __u32 policy;
    __u32 session_id;
    __u8 kernel_thread;
    __u8 by_session;
    __u8 own; /* waggle itself */
    __u8 reserved[5];
};

/* Kind 2: one processor since the last reading. */
struct run_queue_cpu_event {
    struct waggle_event header; /* no process: pid is 0 */
    __u32 cpu;
    __u32 waiting;
    __u8 isolated;
    __u8 reserved[7];
    __u64 covers_ns;
    __u64 busy_ns;
    __u64 queue_ns;
    __u64 waits;
    __u64 switches;
    struct waggle_histogram wait_histogram;
};

/* Kind 3: one thread since the last reading, of those that are scheduled in a special way, or waited long. */
struct run_queue_thread_event {
    struct waggle_event header; /* comm is that of the process */
    char name[WAGGLE_COMM_LEN];
    char cpus[RUN_QUEUE_LIST];
    __s64 allowed;
    __u64 covers_ns;
    __u64 run_ns;
    __u64 waits;
    __u64 wait_ns;
    __u32 cpu;
    __u32 allowed_cpus;
    __u32 policy;
    __u32 priority;
    __s32 nice;
    __u32 session_id;
    __u8 stayed;
    __u8 kernel_thread;
    __u8 reserved[6];
};

/* Kind 4: a processor since the last reading; only where this table is asked for by name. */
struct run_queue_slice_event {
    struct waggle_event header; /* no process: pid is 0 */
    __u32 cpu;
    __u32 reserved;
    struct waggle_histogram run_histogram;
};

#ifdef __cplusplus
static_assert(RUN_QUEUE_SLOTS == 369);
static_assert(sizeof(run_queue_thread) == 256);
static_assert(sizeof(run_queue_bucket) == 16 + 4 * 256);
static_assert(sizeof(run_queue_processor) == 56 + 2 * 4 * 369 + 8);
static_assert(sizeof(run_queue_wait_event) == 96);
static_assert(sizeof(run_queue_total_event) == 56 + 16 * 8 + 24);
static_assert(sizeof(run_queue_cpu_event) == 56 + 16 + 5 * 8 + 8);
static_assert(sizeof(run_queue_slice_event) == 56 + 8 + 8);
static_assert(sizeof(run_queue_thread_event) == 56 + 16 + RUN_QUEUE_LIST + 5 * 8 + 6 * 4 + 8);
#endif
