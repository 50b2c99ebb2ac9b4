/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* The rows of this room, which user space makes, and what the iterators of the kernel side write for it. No padding;
 * the sizes are asserted. Texts of the kernel keep its lengths. */
#pragma once

#include "bpf/event.h"

#define BPF_PROGRAM_NAME_LEN 16
#define BPF_PROGRAM_HOOK_LEN 128

/* What header.kind says. */
enum bpf_program_record {
    BPF_PROGRAM = 0,
    BPF_PROGRAM_TOTAL = 1,
    BPF_PROGRAM_HOOK = 2,
    BPF_PROGRAM_MAP = 3,
    BPF_PROGRAM_CALL = 4,
};

/* How a program stands. */
struct bpf_program_state {
    struct waggle_event header; /* who holds it: the lowest pid; pid 0: no process has it open */
    __u32 id;
    __u32 uid;
    char kind[24];
    char name[BPF_PROGRAM_NAME_LEN];
    char tag[24];
    char hook_kind[24];
    char hook[BPF_PROGRAM_HOOK_LEN];
    __u64 loaded_ns;
    __s64 verified_instructions; /* null before 5.16 */
    __u64 instructions;
    __u64 jited_bytes;
    __u64 memory_bytes;
    __u64 map_memory_bytes;
    __u32 maps;
    __u32 hooks;
    __u32 holders;
    __u8 own;
    __u8 lasts; /* something other than these processes keeps it: a pin */
    __u8 reserved[2];
    struct waggle_text pinned;
    struct waggle_text map_ids;
};

/* What it did since the last reading. */
struct bpf_program_total {
    struct waggle_event header;
    __u32 id;
    __u32 cpus;
    char name[BPF_PROGRAM_NAME_LEN];
    __u64 runs;
    __u64 run_time_ns;
    __u64 measuring_ns;
    __u64 counting_ns;
    __u64 recursion_misses;
    __u64 covers_ns;
};

/* A place it is attached to. */
struct bpf_program_hook {
    struct waggle_event header;
    __u32 id;
    __u32 link_id; /* 0: attached without a link */
    __u32 places;
    __u32 reserved;
    char hook_kind[24];
    char hook[BPF_PROGRAM_HOOK_LEN];
};

/* A map it uses. */
struct bpf_program_map {
    struct waggle_event header;
    __u32 id;
    __u32 map_id;
    char kind[24];
    char name[BPF_PROGRAM_NAME_LEN];
    __u64 memory_bytes;
    __u64 max_entries;
    __s64 entries; /* null where it cannot be told cheaply */
};

/* A function it calls. */
struct bpf_program_call {
    struct waggle_event header;
    __u32 id;
    __u32 times;
    char called[64];
};

/* What the iterators write: a descriptor that holds a program, and how full a map is. */
enum bpf_holder_kind {
    BPF_HOLDS_PROGRAM = 1, /* `id` is the program's */
    BPF_HOLDS_LINK = 2,    /* `id` is the link's, `program_id` that of its program */
    BPF_HOLDS_EVENT = 3,   /* a perf event that runs a program */
};
struct bpf_holder {
    __u32 kind;
    __u32 id;
    __u32 program_id;
    __u32 fd;
    __u32 pid;
    __u32 event_type;
    __u64 event_config;
    __u64 event_period;
    __u64 start_ns;
    __u64 cgroup_id;
    __u32 event_is_frequency;
    __u32 own;
    char comm[WAGGLE_COMM_LEN];
    char unit[16]; /* what counts the event, by its name; empty where it has none */
};
struct bpf_map_fill {
    __u32 id;
    __u32 reserved;
    __s64 entries;
};

#ifdef __cplusplus
static_assert(sizeof(bpf_program_state) == 360 && sizeof(bpf_program_total) == 128 &&
              sizeof(bpf_program_hook) == 224 && sizeof(bpf_program_map) == 128 &&
              sizeof(bpf_program_call) == 128 && sizeof(bpf_holder) == 96 && sizeof(bpf_map_fill) == 16);
#endif
