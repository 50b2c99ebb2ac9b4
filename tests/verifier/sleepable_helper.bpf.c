// SPDX-License-Identifier: GPL-2.0
// kind: sleepable
// applied: sentence
// what: bpf_copy_from_user() can sleep, and this program is not sleepable
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_switch")
int copy(__u64* ctx) {
    char byte = 0;
#ifdef APPLIED
    bpf_probe_read_user(&byte, 1, (void*)1);
#else
    /* fault */
    bpf_copy_from_user(&byte, 1, (void*)1);
#endif
    return 0;
}
