// SPDX-License-Identifier: GPL-2.0
/* A value counted into a histogram, in each way that was considered (docs/decisions/008): run by hand, so
 * many times as the first argument says. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
/* clang-format on */
#include "bpf/histogram.h"
#include "histogram.event.h"

char LICENSE[] SEC("license") = "GPL";

__u64 values[BENCH_VALUES];
__u32 record_mask = 0; /* counted into so many records and one, in turn */
__u64 sum = 0;

#define RECORDS(name, number, slots)         \
    struct name##_record {                   \
        number counts[slots];                \
    };                                       \
    struct {                                 \
        __uint(type, BPF_MAP_TYPE_ARRAY);    \
        __uint(max_entries, BENCH_RECORDS);  \
        __type(key, __u32);                  \
        __type(value, struct name##_record); \
    } name##_records SEC(".maps")
RECORDS(log2, __u64, LOG2_SLOTS);
RECORDS(fine, __u32, FINE_SLOTS + 1);
RECORDS(fine_u64, __u64, FINE_SLOTS);

/* Octaves apart, made when the first value lies in them. */
struct octave_key {
    __u32 record;
    __u32 octave;
};
struct octave {
    __u32 counts[16];
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, BENCH_RECORDS * 32);
    __type(key, struct octave_key);
    __type(value, struct octave);
} octaves SEC(".maps");

/* As block_io counted before. */
static __always_inline __u32 log2_slot(__u64 ns) {
    __u32 slot = 0;
    if (ns >> 32) return ns >> (LOG2_SLOTS - 1) ? LOG2_SLOTS - 1 : ns >> 34 ? 34 : ns >> 33 ? 33 : 32;
    __u32 low = (__u32)ns;
    if (low >> 16) low >>= 16, slot += 16;
    if (low >> 8) low >>= 8, slot += 8;
    if (low >> 4) low >>= 4, slot += 4;
    if (low >> 2) low >>= 2, slot += 2;
    return slot + (low >> 1);
}

#define VALUE(index) values[(index) & (BENCH_VALUES - 1)]

static long count_nothing(__u32 index, void* unused) {
    __u32 at = index * 0x9E3779B1u >> 20 & record_mask;
    struct log2_record* record = bpf_map_lookup_elem(&log2_records, &at);
    if (record) sum += VALUE(index) + record->counts[0];
    return 0;
}
static long count_log2(__u32 index, void* unused) {
    __u32 at = index * 0x9E3779B1u >> 20 & record_mask;
    struct log2_record* record = bpf_map_lookup_elem(&log2_records, &at);
    if (!record) return 0;
    __u32 slot = log2_slot(VALUE(index));
    if (slot < LOG2_SLOTS) __sync_fetch_and_add(&record->counts[slot], 1);
    return 0;
}
static long count_fine(__u32 index, void* unused) {
    __u32 at = index * 0x9E3779B1u >> 20 & record_mask;
    struct fine_record* record = bpf_map_lookup_elem(&fine_records, &at);
    if (record) waggle_hist_count(record->counts, VALUE(index), FINE_UNIT, FINE_END);
    return 0;
}
static long count_fine_u64(__u32 index, void* unused) {
    __u32 at = index * 0x9E3779B1u >> 20 & record_mask;
    struct fine_u64_record* record = bpf_map_lookup_elem(&fine_u64_records, &at);
    if (!record) return 0;
    __u32 slot = waggle_hist_slot(VALUE(index), FINE_UNIT, FINE_END);
    if (slot < FINE_SLOTS) __sync_fetch_and_add(&record->counts[slot], 1);
    return 0;
}
static long count_octaves(__u32 index, void* unused) {
    __u32 at = index * 0x9E3779B1u >> 20 & record_mask;
    struct log2_record* record = bpf_map_lookup_elem(&log2_records, &at);
    if (!record) return 0;
    __u32 slot = waggle_hist_slot(VALUE(index), FINE_UNIT, FINE_END);
    struct octave_key key = {at, slot >> 4};
    struct octave* octave = bpf_map_lookup_elem(&octaves, &key);
    if (!octave) {
        struct octave none = {};
        bpf_map_update_elem(&octaves, &key, &none, BPF_NOEXIST);
        octave = bpf_map_lookup_elem(&octaves, &key);
        if (!octave) return 0;
    }
    __sync_fetch_and_add(&octave->counts[slot & 15], 1);
    return 0;
}

#define RUN(name)                                                  \
    SEC("raw_tp/sched_process_exec") int run_##name(__u64* args) { \
        bpf_loop((__u32)args[0], count_##name, 0, 0);              \
        return 0;                                                  \
    }
RUN(nothing)
RUN(log2)
RUN(fine)
RUN(fine_u64)
RUN(octaves)
