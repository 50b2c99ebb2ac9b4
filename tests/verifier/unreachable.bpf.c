// SPDX-License-Identifier: GPL-2.0
// kind: unreachable_code
// what: Instruction 2 can never be reached
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int dead(void* ctx) {
    asm volatile(
        "r0 = 0\n"
        "exit\n"
        "r0 = 1\n"
        "exit\n");
}
