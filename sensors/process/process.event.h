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
    __u8 reserved[2];
};

#ifdef __cplusplus
static_assert(sizeof(process_exec_event) == 96 && sizeof(process_fork_event) == 72 &&
              sizeof(process_exit_event) == 96);
#endif
