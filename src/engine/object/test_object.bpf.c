// SPDX-License-Identifier: GPL-2.0
/* Small objects for the tests of Object, one for each definition that the build gives. */
/* clang-format off */
#ifdef OTHER_KERNEL
#define task_struct running_task_struct
#endif
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
/* clang-format on */
#undef task_struct

#ifndef WITHOUT_LICENCE
char LICENSE[] SEC("license") = "GPL";
#endif

#ifdef GLOBALS
enum colour { red = 1, green = 2 };
const volatile __u32 constant = 7;
const volatile char word[8] = "waggle";
const volatile bool yes = true;
__u64 counter = 0;
int negative = -5;
enum colour shade = green;
static volatile __u8 hidden = 3;
struct pair {
    __u32 a, b;
} couple = {1, 2};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
    __type(key, __u32);
    __type(value, __u64);
} kept SEC(".maps");

SEC("raw_tp/task_rename") int count(void* ctx) {
    __u32 key = constant + hidden;
    __sync_fetch_and_add(&counter, 1);
    if (yes && negative < 0 && shade == green && word[0] && couple.a)
        bpf_map_update_elem(&kept, &key, &counter, 0);
    return 0;
}
SEC("?raw_tp/task_newtask") int left_out(void* ctx) { return 0; }
#endif

#ifdef WITHOUT_LICENCE
SEC("raw_tp/task_rename") int trace(void* ctx) {
    bpf_printk("hello");
    return 0;
}
#endif

#ifdef MISSING_FIELD
struct task_struct___gone {
    int no_such_field;
} __attribute__((preserve_access_index));
SEC("raw_tp/task_rename") int read_it(void* ctx) {
    struct task_struct___gone* task = (void*)bpf_get_current_task();
    return BPF_CORE_READ(task, no_such_field);
}
#endif

#ifdef OTHER_KERNEL
/* Types of a kernel that has the field. */
struct other_kernel {
    struct task_struct {
        int pid;
        int no_such_field;
    } task;
} other;
#endif

#ifdef EMPTY_MAP
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, __u64);
} empty SEC(".maps");
SEC("raw_tp/task_rename") int look(void* ctx) {
    __u32 key = 0;
    return bpf_map_lookup_elem(&empty, &key) != 0;
}
#endif

#ifdef TYPED_RING
/* The value's type says what the records are; the kernel's ring has neither keys nor values. */
struct renamed {
    __u64 number;
    char comm[16];
};
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 4096);
    __type(key, __u32);
    __type(value, struct renamed);
} records SEC(".maps");
SEC("raw_tp/task_rename") int tell(void* ctx) {
    struct renamed* record = bpf_ringbuf_reserve(&records, sizeof *record, 0);
    if (!record) return 0;
    record->number = 42;
    bpf_get_current_comm(record->comm, sizeof record->comm);
    bpf_ringbuf_submit(record, 0);
    return 0;
}
#endif

#ifdef LONG
/* As many instructions as the build says, and two. */
#define TEXT_OF(n) #n
#define TEXT(n) TEXT_OF(n)
SEC("raw_tp/task_rename") int all_in_a_row(void* ctx) {
    asm volatile(".rept " TEXT(LONG) "\n r0 = 1\n .endr" ::: "r0");
    return 0;
}
#endif

#ifdef LEGACY
/* As Rust's aya lays out a map: seven words in a section "maps". */
struct aya_map_def {
    __u32 type, key_size, value_size, max_entries, map_flags, id, pinning;
};
struct aya_map_def COUNTS SEC("maps") = {BPF_MAP_TYPE_HASH, 4, 8, 32};
struct aya_map_def PIECES SEC("maps") = {BPF_MAP_TYPE_ARRAY, 4, 16, 3};
struct aya_map_def EVENTS SEC("maps") = {4 /* BPF_MAP_TYPE_PERF_EVENT_ARRAY */, 4, 4, 0};
__u64 runs = 0;
SEC("raw_tp/task_rename") int trace(void* ctx) {
    __u32 key = 1;
    __u64 one = 1;
    __u64* count = bpf_map_lookup_elem(&COUNTS, &key);
    if (count)
        __sync_fetch_and_add(count, 1);
    else
        bpf_map_update_elem(&COUNTS, &key, &one, 0);
    bpf_perf_event_output(ctx, &EVENTS, 0xffffffffULL, &one, sizeof one);
    __u64* piece = bpf_map_lookup_elem(&PIECES, &key);
    if (piece) *piece = 42;
    runs++;
    return 0;
}
#endif
