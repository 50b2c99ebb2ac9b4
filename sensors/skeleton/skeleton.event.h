/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: one record for each renamed thread; and how things stand, as user space tells it.
 * No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"

/* What header.kind says. */
enum skeleton_kind {
    skeleton_kind_rename = 0,
    skeleton_kind_total = 1,
};

struct skeleton_event {
    struct waggle_event header;
    char new_comm[WAGGLE_COMM_LEN];
};

struct skeleton_total {
    struct waggle_event header; /* no process: pid 0 */
    __u64 renamed;
};

#ifdef __cplusplus
static_assert(sizeof(skeleton_event) == 72 && sizeof(skeleton_total) == 64);
#endif
