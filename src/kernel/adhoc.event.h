/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses from adhoc.bpf.c, and what it is told before it is loaded. */
#pragma once

#include "bpf/event.h"

#define ADHOC_ARGUMENTS 8
#define ADHOC_TEXTS 3
#define ADHOC_TEXT_MAX 64
#define ADHOC_CONTEXT_MAX 256
#define ADHOC_CONDITIONS 4
#define ADHOC_FRAMES 64
#define ADHOC_SLOTS 64

/* Where a figure comes from. */
enum adhoc_source {
    ADHOC_NOTHING = 0,
    ADHOC_ARGUMENT = 1, /* number `at` */
    ADHOC_CONTEXT = 2,  /* `size` bytes at offset `at` of a tracepoint's record */
    ADHOC_RETURN = 3,
    ADHOC_LATENCY = 4, /* ns between entry and return */
    ADHOC_PID = 5,
    ADHOC_TID = 6,
    ADHOC_UID = 7,
    ADHOC_CPU = 8,
};

struct adhoc_figure {
    __u8 source;
    __u8 is_signed;
    __u16 size; /* bytes of the figure: 1, 2, 4 or 8 */
    __u32 at;
};

enum adhoc_comparison {
    ADHOC_ALWAYS = 0,
    ADHOC_EQUAL = 1,
    ADHOC_UNEQUAL = 2,
    ADHOC_LESS = 3,
    ADHOC_AT_MOST = 4,
    ADHOC_MORE = 5,
    ADHOC_AT_LEAST = 6,
    ADHOC_HAS_BIT = 7,
};

struct adhoc_condition {
    struct adhoc_figure figure;
    __u64 comparison;
    __u64 value;
};

/* A pointer to a text among the arguments, read while it is there. */
struct adhoc_text {
    __u8 source; /* ADHOC_ARGUMENT, or ADHOC_NOTHING */
    __u8 reserved[3];
    __u32 at;
};

struct adhoc_event {
    struct waggle_event header;
    __u64 arguments[ADHOC_ARGUMENTS];
    __u64 returned;
    __u64 latency_ns;
    __s32 kernel_stack; /* key in `stacks`; negative: none */
    __s32 user_stack;
    __u32 cpu;
    __u32 context_bytes; /* used of `context` */
    char texts[ADHOC_TEXTS][ADHOC_TEXT_MAX];
    __u8 context[ADHOC_CONTEXT_MAX]; /* a tracepoint's record */
};

/* Counted in the kernel, for --count. */
struct adhoc_key {
    __u64 value; /* of the figure that is counted by */
    char comm[WAGGLE_COMM_LEN];
    __s32 kernel_stack;
    __s32 user_stack;
};

#ifdef __cplusplus
static_assert(sizeof(adhoc_event) == 56 + 64 + 16 + 16 + 192 + 256 && sizeof(adhoc_key) == 32);
#endif
