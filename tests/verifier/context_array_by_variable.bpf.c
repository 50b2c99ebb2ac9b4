// SPDX-License-Identifier: GPL-2.0
// kind: context_out_of_bounds
// applied: code
// code: bpf_probe_read_kernel(
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct enter {
    __u64 common;
    long id;
    unsigned long args[6];
};
__u64 kept;
SEC("tp/raw_syscalls/sys_enter")
int pick(struct enter* e) {
    __u64 i = e->id;
    if (i > 5) return 0;
    /* fault */
    kept = e->args[i];
    return 0;
}
