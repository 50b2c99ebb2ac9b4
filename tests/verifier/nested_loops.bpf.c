// SPDX-License-Identifier: GPL-2.0
// kind: too_complex too_many_instructions
// applied: sentence
// code: bpf_loop(
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u64 sums[16];
SEC("raw_tp/sys_enter")
int burn(struct bpf_raw_tracepoint_args* ctx) {
    __u64 acc = ctx->args[1];
#ifdef APPLIED
    for (int i = 0; i < 20; i++)
        for (int j = 0; j < 2; j++) {
#else
    for (int i = 0; i < 4000; i++)
        for (int j = 0; j < 200; j++) {
#endif
            /* fault */
            if (acc & 1)
                acc = acc * 3 + j;
            else
                acc >>= 1;
        }
    sums[acc & 15]++;
    return 0;
}
