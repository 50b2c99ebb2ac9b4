/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What every record that crosses from the kernel starts with. Shared by the kernel programs and the C++ side,
 * so this file holds the border and nothing else. All integers are in the machine's byte order. */
#pragma once

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define WAGGLE_COMM_LEN 16

/* The header of every record: which schema, how long, when, and who. */
struct waggle_event {
    __u16 kind;      /* index into the sensor's schemas() */
    __u16 reserved;  /* 0 */
    __u32 size;      /* bytes of this record, header included */
    __u64 time_ns;   /* CLOCK_MONOTONIC */
    __u64 start_ns;  /* when the process began, CLOCK_BOOTTIME: (pid, start_ns) never names two processes */
    __u64 cgroup_id; /* cgroup v2 id (inode of its directory); 0 where unknown */
    __u32 pid;       /* process (thread group) in the initial pid namespace; 0 where no process is meant */
    __u32 tid;       /* thread in the initial pid namespace */
    char comm[WAGGLE_COMM_LEN];
};

/* An IPv4 or IPv6 address; family 0 = none. IPv4 uses the first four bytes. */
struct waggle_address {
    __u8 family; /* 4, 6 or 0 */
    __u8 reserved[7];
    __u8 bytes[16];
};

/* Text behind the fixed part of the same record: offset from the record's first byte, length without NUL. */
struct waggle_text {
    __u32 offset;
    __u32 length;
};

#ifdef __cplusplus
static_assert(sizeof(waggle_event) == 56 && sizeof(waggle_address) == 24 && sizeof(waggle_text) == 8);
#endif
