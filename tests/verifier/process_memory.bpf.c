// SPDX-License-Identifier: GPL-2.0
// kind: scalar_dereference
// applied: code
// what: a->buf
// code: bpf_probe_read_user(
/* clang-format off */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

struct args {
    __u64 common;
    long nr;
    unsigned long fd;
    const char* buf;
    unsigned long count;
};
__u64 spaces;
SEC("tp/syscalls/sys_enter_write")
int on_write(struct args* a) {
    for (int i = 0; i < 8; i++) /* fault */
        if (a->buf[i] == ' ') spaces++;
    return 0;
}
