// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_loop
// what: the verifier sees no end to it
// code: < 64
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
int forever(void* ctx) {
    volatile int go = 1;
    /* fault within 2 */
    while (go) bpf_get_prandom_u32();
    return 0;
}
// applied: code
