/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: one record for each renamed thread. No padding; the size is asserted. */
#pragma once

#include "bpf/event.h"

struct skeleton_event {
    struct waggle_event header;
    char new_comm[WAGGLE_COMM_LEN];
};

#ifdef __cplusplus
static_assert(sizeof(skeleton_event) == 72);
#endif
