// SPDX-License-Identifier: GPL-2.0
// kind: scalar_dereference
// what: wrote over a part of it there
// because: this wrote over a part of it
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int keep(struct xdp_md* ctx) {
    void* kept[2] = {ctx, 0};
    asm volatile("" ::"r"(kept) : "memory");
    *((char*)kept + 3) = 1;
    struct xdp_md* again = kept[0];
    asm volatile("" : "+r"(again)::"memory");
    /* fault */
    return again->ingress_ifindex ? XDP_PASS : XDP_DROP;
}
