// SPDX-License-Identifier: GPL-2.0
// kind: stack_too_large
// what: a BPF program has 512 bytes of stack
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int deep(void* ctx) {
    asm volatile(
        "r1 = 0\n"
        "*(u64*)(r10 - 600) = r1\n"
        "r0 = 0\n"
        "exit\n");
}
