// SPDX-License-Identifier: GPL-2.0
// kind: use_after_release
// what: is given back again by bpf_ringbuf_submit()
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */
#ifndef APPLIED
#define APPLIED 0
#endif
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");
/* clang-format off */
SEC("raw_tp/sched_switch")
int submit(void* ctx) {
    __u64* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
    if (!record) return 0;
    if (bpf_get_prandom_u32() & 1) { bpf_ringbuf_discard(record, 0); if (APPLIED) return 0; }
    /* fault */
    bpf_ringbuf_submit(record, 0);
    return 0;
}
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";
// applied: sentence
