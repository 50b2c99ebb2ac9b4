/* SPDX-License-Identifier: GPL-2.0 */
/* Requests between their start and their end, kept by the place of their struct request.
 *
 * A table of buckets of four in one array map, claimed with compare-and-swap: the map's lookup is a few
 * instructions where a hash map's insert, lookup and delete cost 200 ns a request. The kernel reuses the same
 * few addresses, so an entry whose end was missed is met again and replaced. */
#pragma once

#define REMEMBER_BUCKETS 4096 /* 16,384 requests; a disk holds some hundreds */

/* A process, as in waggle_event. */
struct who {
    __u64 start_ns;
    __u64 cgroup_id;
    __u32 pid;
    __u32 tid;
    char comm[WAGGLE_COMM_LEN];
};

enum request_state { REQUEST_QUEUED = 1, REQUEST_ISSUED = 2 };

struct remembered {
    __u64 began_ns;  /* the kernel's start_time_ns, which tells a request from the next one at its place */
    __u64 queued_ns; /* first seen, or began_ns */
    __u64 issued_ns;
    struct who who;
    __u64 sector;
    __u32 bytes;
    __u32 opf;
    __u32 device; /* key of its entry in `devices` */
    __u32 depth;
    __u32 error;
    __u8 state;
    __u8 sequential;
    __u8 direct;
    __u8 requeues;
};

struct bucket {
    __u64 request[4]; /* number_of(); 0 = free */
    struct remembered entry[4];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, REMEMBER_BUCKETS);
    __type(key, __u32);
    __type(value, struct bucket);
} requests SEC(".maps");

/* A number for the request: where it lies, measured from a place that stays. The verifier gives a number for
 * the distance of two pointers, and none for a pointer. */
static __u64 origin = 0;
static __always_inline __u64 number_of(struct request* request) { return (__u64)request - (__u64)&origin; }

static __always_inline struct bucket* bucket_of(__u64 request) {
    __u32 index = (__u32)((request >> 6) * 0x9E3779B97F4A7C15ull >> 52) & (REMEMBER_BUCKETS - 1);
    return bpf_map_lookup_elem(&requests, &index);
}

/* The entry of a request, or null. */
static __always_inline struct remembered* find_request(struct bucket* bucket, __u64 request) {
    if (bucket->request[0] == request) return &bucket->entry[0];
    if (bucket->request[1] == request) return &bucket->entry[1];
    if (bucket->request[2] == request) return &bucket->entry[2];
    if (bucket->request[3] == request) return &bucket->entry[3];
    return 0;
}

/* A free entry, now the request's own; null when the bucket is full. */
static __always_inline struct remembered* claim_request(struct bucket* bucket, __u64 request) {
    if (__sync_val_compare_and_swap(&bucket->request[0], 0, request) == 0) return &bucket->entry[0];
    if (__sync_val_compare_and_swap(&bucket->request[1], 0, request) == 0) return &bucket->entry[1];
    if (__sync_val_compare_and_swap(&bucket->request[2], 0, request) == 0) return &bucket->entry[2];
    if (__sync_val_compare_and_swap(&bucket->request[3], 0, request) == 0) return &bucket->entry[3];
    return 0;
}

static __always_inline void forget_request(struct bucket* bucket, __u64 request) {
    if (bucket->request[0] == request)
        bucket->request[0] = 0;
    else if (bucket->request[1] == request)
        bucket->request[1] = 0;
    else if (bucket->request[2] == request)
        bucket->request[2] = 0;
    else if (bucket->request[3] == request)
        bucket->request[3] = 0;
}
