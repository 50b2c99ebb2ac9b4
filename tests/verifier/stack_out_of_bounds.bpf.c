// SPDX-License-Identifier: GPL-2.0
// kind: stack_out_of_bounds
// what: bytes at offset
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
int beyond(struct bpf_raw_tracepoint_args* ctx) {
    char buffer[16] = {};
    /* fault */
    bpf_probe_read_kernel(buffer, 64, (void*)ctx->args[1]);
    return buffer[0];
}
// applied: code
