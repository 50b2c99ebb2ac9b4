// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// applied: code
// since: 6.12
// code: static
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

__u64 seen[4];
__attribute__((noinline)) void note(__u32 cpu) { seen[cpu & 3]++; }
SEC("tp/sched/sched_switch")
int on(void* ctx) {
    /* fault */
    note(bpf_get_smp_processor_id());
    return 0;
}
