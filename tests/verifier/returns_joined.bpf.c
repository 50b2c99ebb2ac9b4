// SPDX-License-Identifier: GPL-2.0
// kind: return_value
// applied: code
// since: 6.12
// code: return 1;
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

SEC("cgroup/sysctl")
int guard(struct bpf_sysctl* ctx) {
    if (ctx->write) /* fault */
        return ctx->file_pos;
    return 1;
}
