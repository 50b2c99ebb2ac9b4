// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: code
// code: { bpf_ringbuf_discard(exit, 0); return 1; }
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct left {
    __u32 tgid;
    char name[16];
    __u64 when;
};
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} exits SEC(".maps");

SEC("tp/sched/sched_process_exit")
int gone(void* ctx) {
    /* fault */
    struct left* exit = bpf_ringbuf_reserve(&exits, sizeof(struct left), 0);
    if (!exit) return 0;
    exit->tgid = bpf_get_current_pid_tgid() >> 32;
    if (bpf_get_current_comm(exit->name, sizeof(exit->name))) return 1;
    exit->when = bpf_ktime_get_boot_ns();
    if (exit->when > 1000)
        bpf_ringbuf_submit(exit, BPF_RB_NO_WAKEUP);
    else
        bpf_ringbuf_discard(exit, 0);
    return 0;
}
