// SPDX-License-Identifier: GPL-2.0
// kind: uninitialised_register
// what: R3 is read before anything was written to it
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int nothing(void* ctx) {
    /* fault */
    asm volatile(
        "r0 = 0\n"
        "r0 = r3\n"
        "exit\n");
}
