// SPDX-License-Identifier: GPL-2.0
// kind: pointer_arithmetic
// what: &= is applied to
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int align(struct xdp_md* ctx) {
    void* data = (void*)(long)ctx->data;
    void* data_end = (void*)(long)ctx->data_end;
    /* fault */
    __u32* word = (void*)(((unsigned long)data + 3) & ~3UL);
    if ((void*)(word + 1) > data_end) return XDP_DROP;
    return *word == 0 ? XDP_DROP : XDP_PASS;
}
