/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What crosses the border. No padding; the sizes are asserted. */
#pragma once

#include "bpf/event.h"
#include "bpf/histogram.h"

#define BLOCK_DEVICE_LEN 32
/* Histograms of nanoseconds count in units of 16 ns; from 256 ns on they have 16 steps an octave. The last
 * slot holds everything from 2^36 ns, 69 s. */
#define BLOCK_TIME_UNIT 4
#define BLOCK_TIME_END 36
#define BLOCK_SLOTS WAGGLE_HIST_SLOTS(BLOCK_TIME_UNIT, BLOCK_TIME_END)

/* What header.kind says. */
enum block_kind {
    BLOCK_IO = 0,
    BLOCK_IO_TOTAL = 1,
    BLOCK_DEVICE = 2,
    BLOCK_PAGE_DIRTY = 3,
};

/* Flags of a request. The kernel's own bit numbers move between versions. */
enum block_flag {
    BLOCK_SYNC = 1,
    BLOCK_META = 2,
    BLOCK_PRIO = 4,
    BLOCK_FUA = 8,
    BLOCK_PREFLUSH = 16,
    BLOCK_RAHEAD = 32,
    BLOCK_BACKGROUND = 64,
    BLOCK_NOWAIT = 128,
    BLOCK_POLLED = 256,
    BLOCK_SWAP = 512,
};

/* Kind 0: one request, written when it is complete. The header is the process that submitted it. */
struct block_io_event {
    struct waggle_event header;
    char device[BLOCK_DEVICE_LEN];
    __u32 major;
    __u32 minor;
    __u64 sector; /* of 512 bytes */
    __u64 bytes;
    __u64 queue_ns;
    __u64 device_ns;
    __u32 depth;
    __u32 flags;
    __u32 error;
    __u8 operation;
    __u8 sequential;
    __u8 direct;
    __u8 requeues;
};

/* Kind 1: what one process did with one kind of operation on one device. */
struct block_io_total_event {
    struct waggle_event header;
    char device[BLOCK_DEVICE_LEN];
    __u32 major;
    __u32 minor;
    __u32 operation;
    __u32 reserved;
    __u64 requests;
    __u64 bytes;
    __u64 sequential;
    __u64 direct;
    __u64 errors;
    __u64 queue_ns;
    __u64 device_ns;
    __u64 waited_ns;
    struct waggle_histogram queue_histogram;
    struct waggle_histogram device_histogram;
};

/* The same as the kernel side keeps it. */
struct block_io_total_state {
    struct block_io_total_event row;
    __u32 queue_slots[BLOCK_SLOTS];
    __u32 device_slots[BLOCK_SLOTS];
};

/* Kind 2: one device. */
struct block_device_event {
    struct waggle_event header; /* no process: pid is 0 */
    char device[BLOCK_DEVICE_LEN];
    __u32 major;
    __u32 minor;
    __u64 requests;
    __u64 read_bytes;
    __u64 write_bytes;
    __u64 errors;
    __u64 busy_ns;
    __u64 depth_ns;
    __u64 covers_ns;
    __u64 in_flight;
};

/* A device as the kernel side keeps it: the record, and what only the two sides need. */
struct block_device_state {
    struct block_device_event row;
    __u64 changed_ns; /* until when busy_ns and depth_ns are counted */
};

/* Kind 3: pages that one process made dirty: they are written to the device later, by a kernel worker. */
struct page_dirty_total_event {
    struct waggle_event header;
    char device[BLOCK_DEVICE_LEN];
    __u32 major;
    __u32 minor;
    __u64 bytes;
};

#ifdef __cplusplus
static_assert(sizeof(block_io_event) == 144);
static_assert(sizeof(block_io_total_event) == 104 + 8 * 8 + 2 * 8);
static_assert(sizeof(block_io_total_state) == sizeof(block_io_total_event) + 2 * 4 * BLOCK_SLOTS);
static_assert(BLOCK_SLOTS == 465);
static_assert(sizeof(block_device_event) == 160);
static_assert(sizeof(block_device_state) == 168);
static_assert(sizeof(page_dirty_total_event) == 104);
#endif
