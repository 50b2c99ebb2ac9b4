/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses from probe.bpf.c, and what it is told before it is loaded. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

#define PROBE_ARGUMENTS 8
#define PROBE_TEXTS 3
#define PROBE_TEXT_MAX 64
#define PROBE_CONTEXT_MAX 256
#define PROBE_CONDITIONS 4
#define PROBE_FRAMES 64
#define PROBE_SLOTS (WAGGLE_HIST_SLOTS(0, 64) - 1) /* nothing lies beyond */

/* Where a figure comes from. */
enum probe_source {
    PROBE_NOTHING = 0,
    PROBE_ARGUMENT = 1, /* number `at` */
    PROBE_CONTEXT = 2,  /* `size` bytes at offset `at` of a tracepoint's record */
    PROBE_RETURN = 3,
    PROBE_LATENCY = 4, /* ns between entry and return */
    PROBE_PID = 5,
    PROBE_TID = 6,
    PROBE_UID = 7,
    PROBE_CPU = 8,
};

struct probe_figure {
    __u8 source;
    __u8 is_signed;
    __u16 size; /* bytes of the figure: 1, 2, 4 or 8 */
    __u32 at;
};

enum probe_comparison {
    PROBE_ALWAYS = 0,
    PROBE_EQUAL = 1,
    PROBE_UNEQUAL = 2,
    PROBE_LESS = 3,
    PROBE_AT_MOST = 4,
    PROBE_MORE = 5,
    PROBE_AT_LEAST = 6,
    PROBE_HAS_BIT = 7,
};

struct probe_condition {
    struct probe_figure figure;
    __u64 comparison;
    __u64 value;
};

/* A pointer to a text among the arguments, read while it is there. */
struct probe_text {
    __u8 source; /* PROBE_ARGUMENT, or PROBE_NOTHING */
    __u8 reserved[3];
    __u32 at;
};

struct probe_event {
    struct waggle_event header;
    __u64 arguments[PROBE_ARGUMENTS];
    __u64 returned;
    __u64 latency_ns;
    __s32 kernel_stack; /* key in `stacks`; negative: none */
    __s32 user_stack;
    __u32 cpu;
    __u32 context_bytes; /* used of `context` */
    char texts[PROBE_TEXTS][PROBE_TEXT_MAX];
    __u8 context[PROBE_CONTEXT_MAX]; /* a tracepoint's record */
};

/* Counted in the kernel, for --count. */
struct probe_key {
    __u64 value; /* of the figure that is counted by */
    char comm[WAGGLE_COMM_LEN];
    __s32 kernel_stack;
    __s32 user_stack;
};

#ifdef __cplusplus
static_assert(sizeof(probe_event) == 56 + 64 + 16 + 16 + 192 + 256 && sizeof(probe_key) == 32);
#endif
