// SPDX-License-Identifier: GPL-2.0
// kind: use_after_release
// applied: sentence
// remedy: Do everything with value
// what: bpf_ringbuf_submit_dynptr() in line
// because: bpf_ringbuf_submit_dynptr() gave the object back
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
int write(void* ctx) {
    struct bpf_dynptr record;
    bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &record);
    __u64* value = bpf_dynptr_data(&record, 0, sizeof(*value));
#ifdef APPLIED
    if (value) *value = 7;
#endif
    bpf_ringbuf_submit_dynptr(&record, 0);
#ifndef APPLIED
    if (!value) return 0;
    /* fault */
    *value = 7;
#endif
    return 0;
}
