// SPDX-License-Identifier: GPL-2.0
// kind: unreleased_dynptr
// what: bpf_ringbuf_reserve_dynptr()
// code: bpf_ringbuf_discard_dynptr(&record, 0);
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
    struct bpf_dynptr record;
    /* fault */
    bpf_ringbuf_reserve_dynptr(&ring, 64, 0, &record);
    return 0;
}
// applied: code
