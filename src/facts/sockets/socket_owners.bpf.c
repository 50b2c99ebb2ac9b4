// SPDX-License-Identifier: GPL-2.0
/* Which process has which socket open: a pass over every file descriptor, in the kernel. The same by /proc
 * costs a system call and a path for each descriptor of the machine. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "src/facts/sockets/socket_owners.event.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

#define FAMILY_INET 2
#define FAMILY_INET6 10
#define STATE_LISTEN 10
#define PROTOCOL_UDP 17
#define BUFFER_LOCKS 3 /* SOCK_SNDBUF_LOCK and SOCK_RCVBUF_LOCK */

/* Of struct sock and struct sock_common what this program alone reads. */
struct sock___waiting {
    __u16 sk_protocol;
    unsigned char sk_userlocks : 4;
} __attribute__((preserve_access_index));
struct sock_common___sharing {
    __u16 skc_dport;
    unsigned char skc_reuseport : 1;
} __attribute__((preserve_access_index));

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
    __u16 protocol = BPF_CORE_READ((struct sock___waiting*)sk, sk_protocol);
    /* sock_common stands first in sock. */
    struct sock_common___sharing* common = (struct sock_common___sharing*)sk;
    owner.waits = BPF_CORE_READ(sk, __sk_common.skc_state) == STATE_LISTEN ||
                  (protocol == PROTOCOL_UDP && BPF_CORE_READ(sk, __sk_common.skc_num) != 0 &&
                   BPF_CORE_READ(common, skc_dport) == 0);
    owner.reuseport = BPF_CORE_READ_BITFIELD_PROBED(common, skc_reuseport);
    owner.fixed_buffers =
        BPF_CORE_READ_BITFIELD_PROBED((struct sock___waiting*)sk, sk_userlocks) & BUFFER_LOCKS;
    bpf_seq_write(ctx->meta->seq, &owner, sizeof owner);
    return 0;
}
