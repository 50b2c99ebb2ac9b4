// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_reference
// what: bpf_ringbuf_reserve() in line
// code: bpf_ringbuf_discard(record, 0);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

SEC("raw_tp/sched_switch")
int reserve(void* ctx) {
    /* fault */
    __u64* record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
    if (!record) return 0;
    *record = bpf_ktime_get_ns();
    if (*record & 1) return 0;
    bpf_ringbuf_submit(record, 0);
    return 0;
}
// applied: code
