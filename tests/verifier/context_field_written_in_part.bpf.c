// SPDX-License-Identifier: GPL-2.0
// kind: context_out_of_bounds
// applied: sentence
// what: writes 1 bytes at offset 0 of its context, and the kernel takes no write of so few bytes there
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup/sysctl")
int begin(struct bpf_sysctl* ctx) {
#ifdef APPLIED
    ctx->file_pos = 0;
#else
    __u8* place = (__u8*)&ctx->write;
    /* fault */
    *place = 0;
#endif
    return 1;
}
