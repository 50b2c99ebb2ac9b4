// SPDX-License-Identifier: GPL-2.0
// kind: dynptr_misuse
// what: dynptr
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
int submit(void* ctx) {
    struct bpf_dynptr record;
    /* fault */
    bpf_ringbuf_submit_dynptr(&record, 0);
    return 0;
}
