/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* Flags of a task, in the kernel and in /proc/PID/stat alike (include/linux/sched.h). */
#pragma once

#define PF_EXITING 0x00000004    /* ends: all it has open is being closed */
#define PF_FORKNOEXEC 0x00000040 /* set by fork, cleared by exec */
#define PF_KTHREAD 0x00200000
