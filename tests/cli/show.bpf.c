// SPDX-License-Identifier: GPL-2.0
/* An object as an outsider writes it, for `waggle run`: each thread that renames itself to "wag…" is an
 * event. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

enum show_state { SHOW_FIRST = 0, SHOW_AGAIN = 1 };

struct show_event {
    __u64 number;
    __u32 pid;
    enum show_state state;
    char name[16];
    void* caller;
    __u32 low : 4, high : 28;
    __u32 reserved;
};

/* clang keeps a type only where something refers to it. */
const struct show_event* unused_event;

struct show_place {
    __u32 pid;
    __u32 cpu;
};

/* Longer than show_event, so that a record of this length has no type. */
struct odd {
    __u8 bytes[72];
};

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 16);
} records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} samples SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 64);
    __type(key, struct show_place);
    __type(value, __u64);
} places SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 4);
    __type(key, __u32);
    __type(value, __u64);
} renames SEC(".maps");

__u64 renamed = 0;

static __always_inline void fill(struct show_event* event, const char* name, __u64 number) {
    event->number = number;
    event->pid = bpf_get_current_pid_tgid() >> 32;
    event->state = number == 1 ? SHOW_FIRST : SHOW_AGAIN;
    bpf_probe_read_kernel_str(event->name, sizeof event->name, name);
    event->caller = (void*)name;
    event->low = 5;
    event->high = (__u32)number;
    event->reserved = 0;
}

SEC("raw_tp/task_rename") int on_rename(__u64* args) {
    const char* name = (const char*)args[1];
    char first[4] = {};
    bpf_probe_read_kernel(first, 3, name);
    if (first[0] != 'w' || first[1] != 'a' || first[2] != 'g') return 0;
    __u64 number = __sync_fetch_and_add(&renamed, 1) + 1;
    struct show_event* event = bpf_ringbuf_reserve(&records, sizeof *event, 0);
    if (event) {
        fill(event, name, number);
        bpf_ringbuf_submit(event, 0);
    }
    struct odd* odd = bpf_ringbuf_reserve(&records, sizeof *odd, 0);
    if (odd) {
        __builtin_memset(odd, 0xab, sizeof *odd);
        bpf_ringbuf_submit(odd, 0);
    }
    struct show_event sample = {};
    fill(&sample, name, number);
    bpf_perf_event_output(args, &samples, 0xffffffffULL /* BPF_F_CURRENT_CPU */, &sample, sizeof sample);
    struct show_place place = {.pid = sample.pid, .cpu = 0};
    bpf_map_update_elem(&places, &place, &number, BPF_ANY);
    __u32 zero = 0;
    __u64* count = bpf_map_lookup_elem(&renames, &zero);
    if (count) ++*count;
    return 0;
}

/* Runs only by hand. */
SEC("syscall") int by_hand(void* ctx) { return 0; }
