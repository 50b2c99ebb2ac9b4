// SPDX-License-Identifier: GPL-2.0
// kind: context_out_of_bounds
// applied: sentence
// what: 4 bytes at offset 200
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int beyond(struct xdp_md* ctx) {
#ifdef APPLIED
    return XDP_PASS;
#else
    /* fault */
    return *(volatile __u32*)((char*)ctx + 200);
#endif
}
