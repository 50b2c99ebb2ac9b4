// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// code: n >= sizeof(seen)
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sys_enter")
int letters(struct bpf_raw_tracepoint_args* ctx) {
    char seen[32] = {};
    __u32 n = ctx->args[1];
    if (n > 32) return 0;
    /* fault */
    seen[n] = 1;
    bpf_printk("%s", seen);
    return 0;
}
