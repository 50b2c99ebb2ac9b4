// SPDX-License-Identifier: GPL-2.0
/* Which process has which socket open: a pass over every file descriptor, in the kernel. The same by /proc
 * costs a system call and a path for each descriptor of the machine. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "src/facts/socket_owners.event.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define FAMILY_INET 2
#define FAMILY_INET6 10

SEC("iter/task_file")
int on_file(struct bpf_iter__task_file* ctx) {
    struct task_struct* task = ctx->task;
    struct file* file = ctx->file;
    if (!task || !file) return 0;
    struct socket* socket = bpf_sock_from_file(file);
    if (!socket) return 0;
    struct sock* sk = socket->sk;
    if (!sk) return 0;
    __u16 family = sk->__sk_common.skc_family;
    if (family != FAMILY_INET && family != FAMILY_INET6) return 0;
    struct socket_owner owner = {};
    owner.inode = file->f_inode->i_ino;
    owner.pid = task->tgid;
    bpf_probe_read_kernel(owner.comm, sizeof owner.comm, task->group_leader->comm);
    bpf_seq_write(ctx->meta->seq, &owner, sizeof owner);
    return 0;
}
