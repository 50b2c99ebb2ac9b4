// SPDX-License-Identifier: GPL-2.0
// kind: sleepable
// applied: code
// what: bpf_copy_from_user() can sleep, and this program is not sleepable
// code: bpf_probe_read_user(&byte, 1, (void*)1);
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("tp_btf/sched_switch")
int copy(__u64* ctx) {
    char byte = 0;
    /* fault */
    bpf_copy_from_user(&byte, 1, (void*)1);
    return 0;
}
