/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: four kinds of counters, each a whole record in a map. No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

#define INTERRUPT_NAME_LEN 32
/* Histograms of nanoseconds count in units of 16 ns; from 256 ns on they have 16 steps an octave. The last slot holds
 * everything from 2^32 ns, 4.3 s. */
#define INTERRUPT_TIME_UNIT 4
#define INTERRUPT_TIME_END 32
#define INTERRUPT_SLOTS WAGGLE_HIST_SLOTS(INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END)

/* What header.kind says. */
enum interrupt_kind {
    interrupt_kind_line = 0,
    interrupt_kind_softirq = 1,
    interrupt_kind_victim = 2,
    interrupt_kind_poll = 3,
};

/* Kind 0: one handler of one interrupt line on one processor. */
struct interrupt_event {
    struct waggle_event header; /* no process: pid 0 */
    __u32 cpu;
    __u32 line;
    char name[INTERRUPT_NAME_LEN];
    __u64 times;
    __u64 run_ns;
    __u64 covers_ns;
    struct waggle_histogram duration_histogram;
};
/* The same as the kernel side keeps it. */
struct interrupt_state {
    struct interrupt_event row;
    __u32 slots[INTERRUPT_SLOTS];
    __u32 reserved;
};

/* Kind 1: one kind of softirq on one processor. */
struct softirq_event {
    struct waggle_event header; /* no process: pid 0 */
    __u32 cpu;
    __u32 kind;
    __u64 times;
    __u64 run_ns;
    __u64 thread_times; /* of these, in ksoftirqd */
    __u64 thread_ns;
    __u64 covers_ns;
    struct waggle_histogram duration_histogram;
};
struct softirq_state {
    struct softirq_event row;
    __u32 slots[INTERRUPT_SLOTS];
    __u32 reserved;
};

/* Kind 2: in whose time they ran. The header is that process. */
struct interrupted_event {
    struct waggle_event header;
    __u64 interrupts;
    __u64 interrupt_ns;
    __u64 softirqs;
    __u64 softirq_ns;
    __u64 receive_ns; /* of softirq_ns: NET_RX */
};

/* Kind 3: what one device's packets were fetched by one processor. */
struct net_poll_event {
    struct waggle_event header; /* no process: pid 0 */
    char device[16];            /* empty: the processor's backlog */
    __u32 netns;
    __u32 ifindex;
    __u32 cpu;
    __u32 reserved;
    __u64 polls;
    __u64 packets;
    __u64 full_polls;
    __u64 covers_ns;
};

#ifdef __cplusplus
static_assert(sizeof(interrupt_event) == 56 + 40 + 24 + 8);
static_assert(sizeof(interrupt_state) == sizeof(interrupt_event) + 4 * INTERRUPT_SLOTS + 4);
static_assert(sizeof(softirq_event) == 56 + 8 + 40 + 8);
static_assert(sizeof(softirq_state) == sizeof(softirq_event) + 4 * INTERRUPT_SLOTS + 4);
static_assert(INTERRUPT_SLOTS % 2 == 1);
static_assert(sizeof(interrupted_event) == 96);
static_assert(sizeof(net_poll_event) == 56 + 32 + 32);
#endif
