/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: two kinds of counters, each a whole record in a map. No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"

#define LOCK_VARIABLE_LEN 64

/* What header.kind says. */
enum lock_kind {
    lock_kind_lock = 0,
    lock_kind_releaser = 1,
};

/* Kind 0: a lock that threads of one process slept for. The header is that process, under its main thread's name. */
struct lock_event {
    struct waggle_event header;
    __u64 address;
    __u64 waits; /* from here to woken_by_waiters: growing */
    __u64 wait_ns;
    __u64 woken;            /* of waits: ended by a thread that woke them by this lock's address */
    __u64 woken_by_waiters; /* of woken: that thread had slept for this lock itself */
    __u64 covers_ns;        /* from here on: filled in by the reader */
    __u32 waiting;
    __u32 reserved;
    char variable[LOCK_VARIABLE_LEN];
};

/* Kind 1: a thread that let others have that lock. The header is the thread. */
struct lock_releaser_event {
    struct waggle_event header;
    __u64 address;
    __u64 woken; /* from here to held_ns: growing */
    __u64 held;  /* of woken: after it had slept for the lock itself */
    __u64 held_ns;
    __u64 covers_ns;
};

/* A thread that sleeps for a lock; since_ns is 0 once it was woken, and the address is the last one then. woken_ns is 0
 * where it let others have that lock since. */
struct lock_waiter {
    __u64 since_ns;
    __u64 address;
    __u64 woken_ns;
    __u64 start_ns; /* of its process */
    __u32 pid;
    __u32 reserved;
};

#ifdef __cplusplus
static_assert(sizeof(lock_event) == 56 + 6 * 8 + 8 + LOCK_VARIABLE_LEN);
static_assert(sizeof(lock_releaser_event) == 56 + 40);
static_assert(sizeof(lock_waiter) == 40);
#endif
