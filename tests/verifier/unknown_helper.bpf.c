// SPDX-License-Identifier: GPL-2.0
// kind: wrong_helper
// what: Helper number 9999 does not exist on this kernel
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static long (*no_such_helper)(void) = (void*)9999;

SEC("xdp")
int call(struct xdp_md* ctx) {
    /* fault */
    return no_such_helper() ? XDP_PASS : XDP_DROP;
}
