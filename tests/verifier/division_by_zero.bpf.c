// SPDX-License-Identifier: GPL-2.0
// kind: bad_constant
// applied: sentence
// what: The program divides by the constant 0
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int divide(void* ctx) {
    asm volatile(
        "r0 = 4\n"
#ifdef APPLIED
        "r0 /= 2\n"
#else
        "r0 /= 0\n"
#endif
        "exit\n");
}
