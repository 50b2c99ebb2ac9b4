// SPDX-License-Identifier: GPL-2.0
// kind: core_relocation
// what: This kernel's struct task_struct has no field no_such_field
// code: bpf_core_field_exists
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct task_struct {
    int no_such_field;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_switch")
int read_field(struct bpf_raw_tracepoint_args* ctx) {
    struct task_struct* task = (void*)ctx->args[1];
    int value;
    /* fault within 1 */
    bpf_probe_read_kernel(&value, sizeof(value), &task->no_such_field);
    return value;
}
