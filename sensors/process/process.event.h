/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border: a record for each program started or not started, process made and process ended, and signal from one
 * process to another. */
#pragma once

#include "bpf/event.h"

/* Of a user's further groups, those that are told. */
#define PROCESS_GROUPS 16

enum process_kind {
    PROCESS_EXEC = 0,
    PROCESS_FORK = 1,
    PROCESS_EXIT = 2,
    PROCESS_EXEC_FAILURE = 3,
    PROCESS_SIGNAL = 4,
    PROCESS_THREAD = 5,
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

/* header: the thread that made it. */
struct process_thread_event {
    struct waggle_event header;
    __u32 made_tid;
    __u32 reserved;
};

/* Where the signal that ended a process came from. */
enum process_signal_from {
    SIGNAL_FROM_UNKNOWN = 0, /* sent before waggle watched, or by what tells nothing of itself */
    /* The kernel's answer to what the process itself did: bad memory, bad instruction, a write that nobody reads, or one
     * beyond the limit of file size. */
    SIGNAL_FROM_FAULT = 1,
    SIGNAL_FROM_KERNEL = 2,  /* the kernel on its own: out of memory, Ctrl-C, a limit, a timer */
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

/* One of a task's directories: the mount it lies on, and the number of its inode there; 0 where it is that mount's root. */
struct process_directory {
    __u64 inode;
    __u32 mount; /* 0: not known */
    __u32 reserved;
};

/* header: the process that could not become the program. The kernel's side gives the path alone; what stood in the way is looked
 * up when the record is read (start_obstacle.h), and the texts grow. */
struct process_exec_failure_event {
    struct waggle_event header;
    __u64 parent_start_ns;
    struct process_directory root;
    struct process_directory
        directory; /* that a relative path begins in; unknown where it begins elsewhere */
    __u32 parent_pid;
    __u32 user; /* whose rights are asked for files */
    __u32 group;
    __u32 error;
    __u8 executed;
    __u8 same_root; /* paths mean for that process what they mean for waggle */
    __u8 reserved[6];
    char parent_comm[WAGGLE_COMM_LEN];
    __u32 groups; /* the user's further groups: how many; the first of them follow */
    __u32 first_groups[PROCESS_GROUPS];
    __u32 reserved_after;
    struct waggle_text path; /* begins right behind this struct */
    struct waggle_text reason;
    struct waggle_text obstacle;
    struct waggle_text found;
    struct waggle_text wanted;
    struct waggle_text root_kind; /* where its paths begin */
    struct waggle_text root_path;
};

/* What became of a signal: the kernel's TRACE_SIGNAL_ results, those that mean the same in one. */
enum process_signal_outcome {
    SIGNAL_DELIVERED = 0,
    SIGNAL_IGNORED = 1,  /* whom it was sent to ignores it */
    SIGNAL_PENDING = 2,  /* one like it waits there already, and one is all that waits */
    SIGNAL_REFUSED = 3,  /* no room to queue it */
    SIGNAL_TOO_LATE = 4, /* whom it was sent to was ending already */
};

/* header: the process that sent it. */
struct process_signal_event {
    struct waggle_event header;
    __u64 parent_start_ns;
    __u64 target_start_ns;
    __u32 parent_pid;
    __u32 target_pid;
    __u32 target_tid; /* the thread it was for; 0 where it was for the whole process */
    __u32 target_parent_pid;
    __u32 signal;
    __u8 outcome; /* enum process_signal_outcome */
    __u8 reserved[3];
    char parent_comm[WAGGLE_COMM_LEN];
    char target_comm[WAGGLE_COMM_LEN];
};

#ifdef __cplusplus
static_assert(sizeof(process_signal_event) == 128 && sizeof(process_thread_event) == 64);
static_assert(sizeof(process_exec_failure_event) == 264);
static_assert(sizeof(process_exec_event) == 96 && sizeof(process_fork_event) == 72 &&
              sizeof(process_exit_event) == 176);
#endif
