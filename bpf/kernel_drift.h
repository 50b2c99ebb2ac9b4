/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels we run on, each with the kernel change it comes from. Programs ask here
 * and stay the same; the loader folds the question into a constant, so the way not taken costs nothing. */
#pragma once

/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
/* clang-format on */

/* Whether tp_btf/sched_process_exit tells itself that the process's last thread exits.
 * Kernel 6.16 gave the tracepoint its own event and the argument group_dead ("exit: move and extend
 * sched_process_exit() tracepoint", 2b5da3e46f5e in Linux 6.16); before, it shared the template of
 * sched_process_free and has no event struct of its own. */
static __always_inline _Bool waggle_exit_tells_group_dead(void) {
    return bpf_core_type_exists(struct trace_event_raw_sched_process_exit);
}
