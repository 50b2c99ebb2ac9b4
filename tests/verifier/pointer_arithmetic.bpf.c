// SPDX-License-Identifier: GPL-2.0
// kind: pointer_arithmetic
// applied: sentence
// what: *= is applied to
// what: only + and - are allowed
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int multiply(void* ctx) {
    asm volatile(
        "r2 = r10\n"
#ifdef APPLIED
        "r2 += -8\n"
#else
        "r2 *= 2\n"
#endif
        "r0 = 0\n"
        "exit\n");
}
