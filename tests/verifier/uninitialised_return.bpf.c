// SPDX-License-Identifier: GPL-2.0
// kind: uninitialised_register
// what: The program ends without a return value
// code: return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("raw_tp/sched_switch")
__attribute__((naked)) int nothing(void* ctx) { asm volatile("exit"); }
