/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What the kernel side writes for each IPv4 or IPv6 socket that a process has open. */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

struct socket_owner {
    __u32 inode;
    __u32 pid;
    char comm[16];
    __u8 waits;         /* a TCP listener, or a UDP socket with a port and no partner */
    __u8 reuseport;     /* SO_REUSEPORT: it shares its port with others of its kind */
    __u8 fixed_buffers; /* as sk_userlocks: 1 its send buffer, 2 its receive buffer has a size of its own */
    __u8 reserved[5];
};

#ifdef __cplusplus
static_assert(sizeof(socket_owner) == 32);
#endif
