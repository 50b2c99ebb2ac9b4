// SPDX-License-Identifier: GPL-2.0
// kind: scalar_dereference
// what: is used as a pointer, but the verifier knows it only as a number
// code: bpf_probe_read_kernel(&value, sizeof(value), task)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
int read_task(struct bpf_raw_tracepoint_args* ctx) {
    __u64* task = (void*)ctx->args[1];
    /* fault */
    return *task != 0;
}
// applied: code
