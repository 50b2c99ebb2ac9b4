// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// what: step moves
// code: (step & 0x
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int options(struct xdp_md* ctx) {
    char* head = (char*)(long)ctx->data;
    char* tail = (char*)(long)ctx->data_end;
    if (head + 20 > tail) return XDP_PASS;
    signed char step = head[14];
    char* opt = head + 20 + step;
    if (opt + 4 > tail) return XDP_PASS;
    /* fault */
    return opt[3] ? XDP_PASS : XDP_DROP;
}
