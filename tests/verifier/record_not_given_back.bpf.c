// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// applied: sentence
// remedy: behind line
// code: bpf_ringbuf_discard(r, 0);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct rec {
    __u32 pid;
    __u32 uid;
};
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} recs SEC(".maps");
SEC("raw_tp/sched_process_exec")
int on_exec(void* ctx) {
    /* fault */
    struct rec* r = bpf_ringbuf_reserve(&recs, sizeof(*r), 0);
    if (!r) return 0;
    r->pid = bpf_get_current_pid_tgid() >> 32;
    r->uid = bpf_get_current_uid_gid();
#ifdef APPLIED
    if (r->uid == 0) {
        bpf_ringbuf_discard(r, 0);
        return 0;
    }
#else
    if (r->uid == 0) return 0;
#endif
    bpf_ringbuf_submit(r, 0);
    return 0;
}
