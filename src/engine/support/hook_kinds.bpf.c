// SPDX-License-Identifier: GPL-2.0
/* One program for each kind of hook, that does nothing: `waggle doctor` loads and attaches them for a moment.
 */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define NOTHING(name, section, result) \
    SEC(section) int name(void* ctx) { return result; }

NOTHING(on_tracepoint, "tracepoint/sched/sched_process_exec", 0)
NOTHING(on_raw_tracepoint, "raw_tp/sched_process_exec", 0)
NOTHING(on_typed_tracepoint, "tp_btf/sched_process_exec", 0)
NOTHING(on_kprobe, "kprobe/do_exit", 0)
NOTHING(on_kretprobe, "kretprobe/kernel_clone", 0)
NOTHING(on_kprobe_multi, "kprobe.multi/do_exit", 0)
NOTHING(on_fentry, "fentry/kernel_clone", 0)
NOTHING(on_fexit, "fexit/kernel_clone", 0)
NOTHING(on_lsm, "lsm/task_alloc", 0)
NOTHING(on_uprobe, "uprobe//proc/self/exe:waggle_uprobe_target", 0)
NOTHING(on_task_iterator, "iter/task", 0)
NOTHING(on_perf_event, "perf_event", 0)
NOTHING(on_xdp, "xdp", 2)
NOTHING(on_tc, "tc", 0)
NOTHING(on_cgroup_skb, "cgroup_skb/egress", 1)
NOTHING(on_sockops, "sockops", 1)
