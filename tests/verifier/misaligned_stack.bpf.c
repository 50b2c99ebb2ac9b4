// SPDX-License-Identifier: GPL-2.0
// kind: misaligned_access
// applied: sentence
// what: 8 bytes are used at offset -15
// remedy: byte by byte
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int misaligned(void* ctx) {
    asm volatile(
        "r1 = 0\n"
#ifdef APPLIED
        "*(u64*)(r10 - 16) = r1\n"
#else
        "*(u64*)(r10 - 15) = r1\n"
#endif
        "r0 = 0\n"
        "exit\n");
}
