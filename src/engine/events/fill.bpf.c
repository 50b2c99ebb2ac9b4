// SPDX-License-Identifier: GPL-2.0
/* Fills its ring or its perf buffer when it is run by hand (BPF_PROG_RUN): for tests and measurements. */
/* clang-format off */
#include "bpf/vmlinux.h"
#include <bpf/bpf_helpers.h>
/* clang-format on */
#include "fill.event.h"

char LICENSE[] SEC("license") = "GPL";

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} records SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
    __uint(key_size, 4);
    __uint(value_size, 4);
} samples SEC(".maps");

__u64 sent = 0;
__u64 lost_ring_full = 0;
__u32 wanted_pid = 1;

static void fill(struct fill_event* event) {
    __builtin_memset(event, 0, sizeof *event);
    event->time_ns = bpf_ktime_get_ns();
    event->number = ++sent;
    event->pid = wanted_pid;
    event->type = FILL_NUMBERED;
}

static long put_record(__u32 index, void* unused) {
    struct fill_event* event = bpf_ringbuf_reserve(&records, sizeof *event, 0);
    if (!event) {
        lost_ring_full++;
        return 0;
    }
    fill(event);
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
    return 0;
}

/* The first argument is how many. */
SEC("raw_tp/sched_process_exec") int fill_ring(__u64* args) {
    bpf_loop((__u32)args[0], put_record, 0, 0);
    return 0;
}

__u32 may_submit = 0;

static long wait_to_submit(__u32 index, void* unused) { return *(volatile __u32*)&may_submit & 1; }

/* One record, which stays unfinished until it may be submitted (or for 8 million looks). */
SEC("raw_tp/sched_process_exec") int fill_slowly(__u64* args) {
    struct fill_event* event = bpf_ringbuf_reserve(&records, sizeof *event, 0);
    if (!event) return 0;
    fill(event);
    bpf_loop(8u << 20, wait_to_submit, 0, 0);
    bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
    return 0;
}

/* At most 64 a run. */
SEC("raw_tp/sched_process_exec") int fill_samples(__u64* args) {
    for (int i = 0; i < 64 && i < args[0]; i++) {
        struct fill_event event;
        fill(&event);
        bpf_perf_event_output(args, &samples, 0xffffffffULL /* BPF_F_CURRENT_CPU */, &event, sizeof event);
    }
    return 0;
}
