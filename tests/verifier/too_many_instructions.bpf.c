// SPDX-License-Identifier: GPL-2.0
// kind: too_many_instructions
// applied: sentence
// what: its limit is 1,000,000
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

static long add(__u32 i, __u64* sum) {
    *sum += bpf_get_prandom_u32() + i;
    return 0;
}

SEC("raw_tp/sched_switch")
int long_loop(void* ctx) {
    __u64 sum = 0;
#ifdef APPLIED
    bpf_loop(1 << 20, add, &sum, 0);
#else
    /* fault */
    for (__u32 i = 0; i < 10000000; i++) sum += bpf_get_prandom_u32() + i;
#endif
    return sum & 1;
}
