/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses from probe.bpf.c, and what it is told before it is loaded. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

#define PROBE_ARGUMENTS 8
#define PROBE_VALUES 4 /* asked for, and not among the arguments or in the record */
#define PROBE_TEXTS 4
#define PROBE_TEXT_MAX 128
#define PROBE_CONTEXT_MAX 256
#define PROBE_CONDITIONS 8
#define PROBE_PATTERN_MAX 64
#define PROBE_HOPS 4
#define PROBE_KEYS 4
#define PROBE_KEY_TEXTS 2
#define PROBE_KEY_TEXT_MAX 64
#define PROBE_FRAMES 64
#define PROBE_LIST_MAX 16                          /* texts of a list */
#define PROBE_SLOTS (WAGGLE_HIST_SLOTS(0, 64) - 1) /* nothing lies beyond */
#define PROBE_NOT_READ "\xff\xff\x01" /* a text whose memory could not be read; no text begins so */

/* Where a figure comes from. */
enum probe_origin {
    PROBE_NOTHING = 0,
    PROBE_ARGUMENT = 1, /* number `at` */
    PROBE_CONTEXT = 2,  /* `size` bytes at offset `at` of a tracepoint's record */
    PROBE_RETURN = 3,
    PROBE_LATENCY = 4, /* ns between entry and return */
    PROBE_PID = 5,
    PROBE_TID = 6,
    PROBE_UID = 7,
    PROBE_CPU = 8,
    PROBE_COMM = 9,      /* the address of the command's name */
    PROBE_PLACE = 10,    /* which of several places */
    PROBE_RECORD = 11,   /* the address of byte `at` of a tracepoint's record */
    PROBE_DATA_LOC = 12, /* the address that the word at `at` says, from the record's begin */
    PROBE_REL_LOC = 13,  /* the same from the end of that word */
};

/* What a figure is. */
enum probe_text {
    PROBE_NUMBER = 0,
    PROBE_STRING = 1,   /* the address of a text that ends with 0 */
    PROBE_LIST = 2,     /* the address of addresses of texts, which end with 0 */
    PROBE_BYTES = 3,    /* the address of `size` bytes */
    PROBE_SOCKADDR = 4, /* the address of a socket's address, of which only what its family says is kept */
};

struct probe_figure {
    __u8 source;
    __u8 is_signed;
    __u8 text;  /* enum probe_text */
    __u8 hops;  /* pointers that are followed from the source on */
    __u16 size; /* bytes of the figure: 1, 2, 4 or 8; of PROBE_BYTES */
    __u8 stays; /* the last hop's address is the figure, not what stands there */
    __u8 reserved;
    __u32 at;
    __u32 hop[PROBE_HOPS]; /* bytes behind each pointer */
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
    PROBE_LACKS_BIT = 8,
};

/* How much of a text must be the pattern. */
enum probe_match {
    PROBE_WHOLE = 0,
    PROBE_BEGIN = 1,
    PROBE_END = 2,
    PROBE_ANYWHERE = 3,
};

struct probe_condition {
    struct probe_figure figure;
    __u8 comparison;
    __u8 alternative; /* it begins another list of conditions: one whole list that holds is enough */
    __u8 match;       /* of a text */
    __u8 length;      /* of the pattern, without its 0 */
    __u64 value;
    char pattern[PROBE_PATTERN_MAX];
};

struct probe_event {
    struct waggle_event header;
    __u64 arguments[PROBE_ARGUMENTS];
    __u64 values[PROBE_VALUES];
    __u64 returned;
    __u64 latency_ns;
    __s32 kernel_stack; /* key in `stacks`; negative: none */
    __s32 user_stack;   /* key in `user_stacks` */
    __u32 cpu;
    __u32 place;         /* which of several */
    __u32 context_bytes; /* used of `context` */
    __u32 unread_values; /* a bit for each of `values` whose memory could not be read */
    /* Sent as far as they are used. */
    __u8 context[PROBE_CONTEXT_MAX]; /* a tracepoint's record */
    char texts[PROBE_TEXTS][PROBE_TEXT_MAX];
};

/* What is counted by. Of its parts, numbers stand at their own place, texts one after the other. */
struct probe_key {
    __u64 values[PROBE_KEYS];
    char texts[PROBE_KEY_TEXTS][PROBE_KEY_TEXT_MAX];
    __s32 kernel_stack;
    __s32 user_stack;
    __u32 slot; /* of a distribution */
    __u32 reserved;
};

/* As the kernel keeps it (struct bpf_stack_build_id). */
enum probe_frame_status { PROBE_FRAME_NONE = 0, PROBE_FRAME_IN_FILE = 1, PROBE_FRAME_ADDRESS = 2 };
struct probe_user_frame {
    __s32 status;
    __u8 build_id[20];
    __u64 offset; /* in the file, or the address in the process */
};

struct probe_count {
    __u64 times;
    __s64 sum; /* of the figure that is summed up */
};

#ifdef __cplusplus
static_assert(sizeof(probe_event) == 56 + 64 + 32 + 16 + 24 + 256 + 512 && sizeof(probe_key) == 176 &&
              sizeof(probe_figure) == 28 && sizeof(probe_user_frame) == 32);
#endif
