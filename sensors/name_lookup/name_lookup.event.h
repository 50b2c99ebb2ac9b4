/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: a call for the addresses of a name, what was added for one process, and that a program began which may
 * use a C library that nobody watches yet. No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

/* The histogram of nanoseconds counts in units of 1024 ns; the last slot holds everything from 2^36 ns, 69 s. */
#define NAME_LOOKUP_TIME_UNIT 10
#define NAME_LOOKUP_TIME_END 36
#define NAME_LOOKUP_SLOTS WAGGLE_HIST_SLOTS(NAME_LOOKUP_TIME_UNIT, NAME_LOOKUP_TIME_END)

/* How much of a name is copied: names of DNS have at most 253 bytes, and what is longer shows that it is. */
#define NAME_LOOKUP_COPY 257

/* What header.kind says. The last one is no row. */
enum name_lookup_kind {
    name_lookup_kind_call = 0,
    name_lookup_kind_total = 1,
    name_lookup_kind_began = 2,
};

/* Dictionary "name_lookup_function"; the cookie of the programs at each. */
enum name_lookup_function {
    name_lookup_getaddrinfo = 0,
    name_lookup_gethostbyname = 1,
    name_lookup_gethostbyname2 = 2,
    name_lookup_gethostbyname_r = 3,
    name_lookup_gethostbyname2_r = 4,
};

/* Dictionary "name_lookup_ending". */
enum name_lookup_ending {
    name_lookup_returned = 0,
    name_lookup_thread_ended = 1,
    name_lookup_left = 2,
};

/* Dictionary "name_lookup_result": 0 and the EAI_* (below 0) of getaddrinfo, h_errno (1 to 4) of the others, and: */
enum name_lookup_result {
    name_lookup_failed = 999,       /* no address, and why is not known */
    name_lookup_result_errno = 1000 /* + errno: of the reentrant ones, where there is no h_errno */
};

/* Kind 0. The header is of the end. */
struct name_lookup_event {
    struct waggle_event header;
    struct waggle_text name;
    __s64 latency_ns; /* INT64_MIN where the program jumped out of it */
    __s64 result;     /* INT64_MIN where it did not return */
    __u8 function;
    __u8 ending;
    __u8 cut;
    __u8 unread;
    __u8 numeric_only;
    __u8 reserved[3];
};

/* Kind 1. What one process called for since the last snapshot. */
struct name_lookup_total_event {
    struct waggle_event header;
    __u64 calls; /* at their end */
    __u64 not_found;
    __u64 try_again;
    __u64 other_errors;
    __u64 not_returned;
    __u64 latency_ns; /* of those that returned */
    struct waggle_histogram latency_histogram;
};

/* As the kernel side has them. */
struct name_lookup_state {
    struct name_lookup_event row;
    char name[NAME_LOOKUP_COPY + 7];
};
struct name_lookup_total_state {
    struct name_lookup_total_event row;
    __u32 latency_slots[NAME_LOOKUP_SLOTS];
    __u32 reserved;
};

/* Kind 2: the first time that this file is started in these mounts, or the first time again. */
struct name_lookup_program {
    __u64 inode;
    __u32 device;
    __u32 mounts;
    __u64 turn;
};
struct name_lookup_began {
    struct waggle_event header;
    struct name_lookup_program program;
};

#ifdef __cplusplus
static_assert(NAME_LOOKUP_SLOTS == 369);
static_assert(sizeof(name_lookup_event) == 56 + 8 + 16 + 8);
static_assert(sizeof(name_lookup_total_event) == 56 + 6 * 8 + 8);
static_assert(sizeof(name_lookup_state) == sizeof(name_lookup_event) + 264);
static_assert(sizeof(name_lookup_total_state) ==
              sizeof(name_lookup_total_event) + 4 * (NAME_LOOKUP_SLOTS + 1));
static_assert(sizeof(name_lookup_began) == 56 + 24);
#endif
