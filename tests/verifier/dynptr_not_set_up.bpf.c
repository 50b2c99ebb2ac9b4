// SPDX-License-Identifier: GPL-2.0
// kind: dynptr_misuse
// what: dynptr
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";
#ifndef APPLIED
SEC("raw_tp/sched_switch")
int submit(void* ctx) {
    struct bpf_dynptr record;
    /* fault */
    bpf_ringbuf_submit_dynptr(&record, 0);
    return 0;
}
#else
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
} ring SEC(".maps");

SEC("raw_tp/sched_switch")
int submit(void* ctx) {
    struct bpf_dynptr record;
    bpf_ringbuf_reserve_dynptr(&ring, 8, 0, &record);
    bpf_ringbuf_submit_dynptr(&record, 0);
    return 0;
}
#endif
// applied: sentence
