// SPDX-License-Identifier: GPL-2.0
/* One program for each kind of place, that counts its runs for one process. The sections name no place: the
 * test says where. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/usdt.bpf.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 only_pid = 0;
__u64 cookie = 0;      /* of the last run that was counted */
__u64 usdt_number = 0; /* sum of the marker's first argument */
const volatile __u64 fault_from = 0;
const volatile __u64 fault_to = 0;

static __always_inline int is_ours(void) { return (__u32)(bpf_get_current_pid_tgid() >> 32) == only_pid; }

#define COUNT(name, section)                       \
    __u64 name##_runs = 0;                         \
    SEC(section) int name(void* ctx) {             \
        if (is_ours()) {                           \
            __sync_fetch_and_add(&name##_runs, 1); \
            cookie = bpf_get_attach_cookie(ctx);   \
        }                                          \
        return 0;                                  \
    }

#define COUNT_PLAIN(name, section, wanted, result)         \
    __u64 name##_runs = 0;                                 \
    SEC(section) int name(void* ctx) {                     \
        if (wanted) __sync_fetch_and_add(&name##_runs, 1); \
        return result;                                     \
    }

COUNT(on_kprobe, "kprobe")
COUNT(on_kprobe_multi, "kprobe.multi")
COUNT(on_uprobe, "uprobe")
COUNT(on_tracepoint, "tracepoint/task/task_rename")
COUNT_PLAIN(on_raw_tp, "raw_tp", is_ours(), 0)
COUNT_PLAIN(on_tp_btf, "tp_btf", is_ours(), 0)
COUNT_PLAIN(on_fentry, "fentry", is_ours(), 0)
COUNT_PLAIN(on_fexit, "fexit", is_ours(), 0)
COUNT_PLAIN(on_lsm, "lsm", is_ours(), 0)
COUNT_PLAIN(on_xdp, "xdp", 1, 2 /* XDP_PASS */)
COUNT_PLAIN(on_tc, "tc", 1, 0 /* TC_ACT_OK */)
COUNT_PLAIN(on_cgroup_skb, "cgroup_skb", 1, 1)
/* In a section that libbpf does not know: the plan gives it its type. */
COUNT_PLAIN(on_anything, "my_own", is_ours(), 0)

struct perf_fault {
    __u64 registers[21];
    __u64 sample_period;
    __u64 address;
};
__u64 on_perf_runs = 0;
SEC("perf_event") int on_perf(struct perf_fault* ctx) {
    __u64 address = ctx->address;
    if (is_ours() && address >= fault_from && address < fault_to) __sync_fetch_and_add(&on_perf_runs, 1);
    return 0;
}

__u64 on_clock_runs = 0;
SEC("perf_event") int on_clock(void* ctx) {
    if (is_ours()) __sync_fetch_and_add(&on_clock_runs, 1);
    return 0;
}

struct walked_task {
    void* meta;
    struct task_struct* task;
};
__u64 on_iter_runs = 0;
SEC("iter") int on_iter(struct walked_task* ctx) {
    struct task_struct* task = ctx->task;
    if (task && (__u32)task->pid == only_pid) __sync_fetch_and_add(&on_iter_runs, 1);
    return 0;
}

struct socket_operation {
    __u32 op;
};
__u64 on_sockops_runs = 0;
SEC("sockops") int on_sockops(struct socket_operation* ctx) {
    if (ctx->op == 3 /* BPF_SOCK_OPS_TCP_CONNECT_CB */) __sync_fetch_and_add(&on_sockops_runs, 1);
    return 1;
}

__u64 on_usdt_runs = 0;
SEC("usdt") int on_usdt(struct pt_regs* ctx) {
    long number = 0;
    if (!is_ours()) return 0;
    __sync_fetch_and_add(&on_usdt_runs, 1);
    if (bpf_usdt_arg(ctx, 0, &number) == 0) usdt_number += number;
    cookie = bpf_usdt_cookie(ctx);
    return 0;
}
