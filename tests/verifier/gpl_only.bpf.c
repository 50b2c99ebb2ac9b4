// SPDX-License-Identifier: GPL-2.0
// kind: gpl_only
// applied: sentence
// what: GPL-compatible licence
// code: char LICENSE[] SEC("license") = "GPL";
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

#ifdef APPLIED
char LICENSE[] SEC("license") = "GPL";
#else
char LICENSE[] SEC("license") = "Proprietary";
#endif

SEC("raw_tp/sched_switch")
int print(void* ctx) {
    char text[] = "hello";
    /* fault within 2 */
    return bpf_trace_printk(text, sizeof(text));
}
