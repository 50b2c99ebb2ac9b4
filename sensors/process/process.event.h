/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: a record for each program started, process made and process ended. */
#pragma once

#include "bpf/event.h"

enum process_kind {
    PROCESS_EXEC = 0,
    PROCESS_FORK = 1,
    PROCESS_EXIT = 2,
};

/* Of the path as executed, its NUL included. */
#define PROCESS_EXE_MAX 256
/* Of the arguments: in Mode::events, and in Mode::aggregate. */
#define PROCESS_ARGUMENTS_MAX 4096
#define PROCESS_ARGUMENTS_FEW 512

/* header: the process with its new name. Texts follow: arguments, then exe. */
struct process_exec_event {
    struct waggle_event header;
    __u64 parent_start_ns;
    __u32 parent_pid;
    __u32 uid;
    struct waggle_text exe;
    struct waggle_text arguments; /* argv, a space between two; begins right behind this struct */
    __u32 arguments_bytes;        /* what the process was given, cut or not */
    __u8 truncated;               /* arguments holds less than that */
    __u8 reserved[3];
};

/* header: the child. */
struct process_fork_event {
    struct waggle_event header;
    __u64 parent_start_ns;
    __u32 parent_pid;
    __u32 reserved;
};

/* Where the signal that ended a process came from. */
enum process_signal_from {
    SIGNAL_FROM_UNKNOWN = 0, /* sent before waggle watched, or by what tells nothing of itself */
    SIGNAL_FROM_FAULT =
        1, /* the kernel's answer to what the process itself did: bad memory, bad instruction */
    SIGNAL_FROM_KERNEL = 2,  /* the kernel on its own: out of memory, Ctrl-C, a limit */
    SIGNAL_FROM_ITSELF = 3,  /* abort(), raise() */
    SIGNAL_FROM_PROCESS = 4, /* another process */
};

/* header: the process that ends; tid is its last thread. */
struct process_exit_event {
    struct waggle_event header;
    __u64 parent_start_ns;
    __u64 ran_ns;
    __u64 peak_rss_bytes;
    __u32 parent_pid;
    __u32 exit_code;
    __u32 signal;
    __u8 core_dumped;
    __u8 executed;
    __u8 oom_killed;
    __u8 signal_from; /* enum process_signal_from */
    char parent_comm[WAGGLE_COMM_LEN];
    /* Who sent the signal, where signal_from says that a process did; else 0 and empty. */
    __u64 sender_start_ns;
    __u32 sender_pid;
    __u32 sender_parent_pid;
    char sender_comm[WAGGLE_COMM_LEN];
    char sender_parent_comm[WAGGLE_COMM_LEN];
    /* The process below it whose failure it passed on; 0 where the failure is its own. */
    __u64 failed_start_ns;
    __u32 failed_pid;
    __u32 reserved;
};

#ifdef __cplusplus
static_assert(sizeof(process_exec_event) == 96 && sizeof(process_fork_event) == 72 &&
              sizeof(process_exit_event) == 176);
#endif
