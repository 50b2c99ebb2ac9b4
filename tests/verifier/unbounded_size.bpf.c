// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// what: size
// what: bpf_probe_read_kernel()
// code: if (size > sizeof(buffer)) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
int copy(struct bpf_raw_tracepoint_args* ctx) {
    char buffer[32] = {};
    __u32 size = bpf_get_prandom_u32();
    /* fault */
    bpf_probe_read_kernel(buffer, size, (void*)ctx->args[1]);
    return buffer[0];
}
// applied: code
