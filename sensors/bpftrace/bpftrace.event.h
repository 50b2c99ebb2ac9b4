/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* One thing that a script of bpftrace said: a text, or one entry of a map. No padding; the size is asserted.
 */
#pragma once

#include "bpf/event.h"

struct bpftrace_event {
    struct waggle_event header; /* no process: pid 0 */
    char output[16];            /* as bpftrace calls it: printf, map, hist, stats ... */
    struct waggle_text map;     /* "@reads" */
    struct waggle_text key;
    struct waggle_text text;
    __s64 value; /* INT64_MIN: none */
    __s64 lowest;
    __s64 highest;
};

#ifdef __cplusplus
static_assert(sizeof(bpftrace_event) == 120);
#endif
