// SPDX-License-Identifier: GPL-2.0
// kind: scalar_dereference
// applied: code
// what: is an address in the memory of the process that this hook is about
// code: bpf_probe_read_user(&value, sizeof(value), &(at->seconds))
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct pt_regs {
    unsigned long si;
} __attribute__((preserve_access_index));
struct interval {
    long seconds;
};

long slept;
SEC("tp_btf/sys_enter")
int on_call(__u64* ctx) {
    struct pt_regs* registers = (struct pt_regs*)ctx[0];
    if (ctx[1] != 35) return 0;
    struct interval* at = (struct interval*)registers->si;
    /* fault */
    slept = at->seconds;
    return 0;
}
