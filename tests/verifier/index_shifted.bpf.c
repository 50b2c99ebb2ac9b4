// SPDX-License-Identifier: GPL-2.0
// kind: unbounded_offset
// applied: code
// since: 6.12
// code: if (bucket >= 12) return 0;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u64 last;
__u32 buckets[12];
SEC("raw_tp/sched_switch")
int age(void* ctx) {
    __u64 bucket = (bpf_ktime_get_ns() - last) >> 20;
    last = bpf_ktime_get_ns();
    /* fault */
    buckets[bucket]++;
    return 0;
}
