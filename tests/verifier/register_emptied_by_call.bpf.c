// SPDX-License-Identifier: GPL-2.0
// kind: uninitialised_register
// applied: sentence
// what: the call of bpf_ktime_get_ns() emptied it
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int emptied(void* ctx) {
    asm volatile(
#ifdef APPLIED
        "r6 = 5\n"
#else
        "r1 = 5\n"
#endif
        "call 5\n"
#ifdef APPLIED
        "r0 = r6\n"
#else
        "r0 = r1\n"
#endif
        "exit\n");
}
