/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: one kind of counters, each a whole record in a map. No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

/* Waits count in units of 256 ns; from 4 us on they have 16 steps an octave. The last slot holds everything from 2^34 ns,
 * 17 s. */
#define KERNEL_LOCK_UNIT 8
#define KERNEL_LOCK_END 34
#define KERNEL_LOCK_SLOTS WAGGLE_HIST_SLOTS(KERNEL_LOCK_UNIT, KERNEL_LOCK_END)

/* The longest wait of a reading, with that reading's number above it. */
#define KERNEL_LOCK_READING_SHIFT 56
#define KERNEL_LOCK_LONGEST_MASK ((1ULL << KERNEL_LOCK_READING_SHIFT) - 1)

/* What kind of lock: the flags of lock:contention_begin (include/trace/events/lock.h), of a mutex without "spins". */
enum kernel_lock_flags {
    kernel_lock_spins = 1,
    kernel_lock_read = 2,
    kernel_lock_write = 4,
    kernel_lock_rt = 8,
    kernel_lock_percpu = 16,
    kernel_lock_mutex = 32,
};

/* What waited. */
enum kernel_lock_context {
    kernel_lock_in_thread = 0,
    kernel_lock_in_softirq = 1,
    kernel_lock_in_hardirq = 2,
    kernel_lock_in_nmi = 3,
    kernel_lock_in_interrupt = 4, /* one of these three */
    kernel_lock_in_any = 5,       /* an interrupt of user space, or a page fault of a thread */
};

/* Locks that many structures have, told by their owner; what `lock` holds else is an address. */
enum kernel_lock_known {
    kernel_lock_unknown = 0,
    kernel_lock_mmap = 1,    /* mm_struct.mmap_lock of the process that waits */
    kernel_lock_signals = 2, /* its sighand_struct.siglock */
    kernel_lock_files = 3,   /* its files_struct.file_lock */
};

/* Waits of one process, or of no process where interrupts wait, for one lock in one place of the kernel. */
struct kernel_lock_event {
    struct waggle_event header;
    __u64 address;  /* 0: locks that found no row of their own */
    __u64 lock;     /* enum kernel_lock_known, or the address */
    __u64 function; /* where the function that wants the lock goes on; 0 where not known */
    __u32 type;     /* enum kernel_lock_flags */
    __u32 context;
    __u64 waits; /* from here to given_up: growing */
    __u64 wait_ns;
    __u64 spin_ns; /* of wait_ns: with the processor kept busy */
    __u64 given_up;
    __u64 longest_wait_ns; /* from here to waiting: filled in by the reader */
    __u64 covers_ns;
    __u32 waiting;
    __u32 reserved;
    struct waggle_histogram wait_histogram;
};
/* The same as the kernel side keeps it. */
struct kernel_lock_state {
    struct kernel_lock_event row;
    __u32 slots[KERNEL_LOCK_SLOTS];
    __u32 reserved;
    __u64 longest[2]; /* by reading, even and odd */
};

struct kernel_lock_key {
    __u64 start_ns;
    __u64 function;
    __u64 address;
    __u32 pid;
    __u16 type;
    __u16 context;
};

/* A wait that goes on. */
struct kernel_lock_wait {
    struct kernel_lock_key row; /* where it will be counted */
    __u64 address;              /* row.address can be 0 */
    __u64 since_ns;
    __u64 spins_since_ns; /* 0 while it sleeps */
    __u64 spun_ns;        /* before that */
};

/* Whose sleep. A thread can wait for a lock while it waits for another: on its way to sleep it does other work. */
struct kernel_lock_sleeper {
    __u64 address;
    __u64 tid;
};

#ifdef __cplusplus
static_assert(KERNEL_LOCK_SLOTS % 2 == 1);
static_assert(sizeof(kernel_lock_event) == 56 + 24 + 8 + 32 + 24 + 8);
static_assert(sizeof(kernel_lock_state) == sizeof(kernel_lock_event) + 4 * KERNEL_LOCK_SLOTS + 4 + 16);
static_assert(sizeof(kernel_lock_key) == 32);
static_assert(sizeof(kernel_lock_wait) == 64);
#endif
