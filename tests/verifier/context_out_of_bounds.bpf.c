// SPDX-License-Identifier: GPL-2.0
// kind: context_out_of_bounds
// what: 4 bytes at offset 200
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int beyond(struct xdp_md* ctx) {
    /* fault */
    return *(volatile __u32*)((char*)ctx + 200);
}
