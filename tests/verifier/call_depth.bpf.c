// SPDX-License-Identifier: GPL-2.0
// kind: call_depth
// what: 8 are allowed
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int f9(int n) { return bpf_get_prandom_u32() + n; }

static __attribute__((noinline)) int f8(int n) { return f9(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f7(int n) { return f8(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f6(int n) { return f7(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f5(int n) { return f6(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f4(int n) { return f5(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f3(int n) { return f4(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f2(int n) { return f3(n + 1) + bpf_get_prandom_u32(); }

static __attribute__((noinline)) int f1(int n) { return f2(n + 1) + bpf_get_prandom_u32(); }

SEC("raw_tp/sched_switch")
int deep(void* ctx) { return f1(bpf_get_prandom_u32()); }
