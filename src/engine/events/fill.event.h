/* SPDX-License-Identifier: GPL-2.0 */
/* The records of fill.bpf.c: 64 bytes with the usual parts of an event. */
#pragma once

enum fill_type { FILL_NUMBERED = 7 };

struct fill_event {
    __u64 time_ns;
    __u64 number; /* 1, 2, 3, ... */
    __u32 pid;
    __u32 type;
    __u8 rest[40];
};

#ifdef __cplusplus
static_assert(sizeof(fill_event) == 64);
#endif
