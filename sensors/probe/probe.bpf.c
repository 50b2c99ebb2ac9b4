// SPDX-License-Identifier: GPL-2.0
/* The programs behind `waggle probe`: one for each way into the kernel, all doing the same with what they
 * find: ask the conditions, then send, count, or put into a histogram. Written once, so that nobody needs a
 * compiler. */
/* clang-format off */
#include "bpf/ring.h"
#include "sensors/probe/probe.event.h"
#include <bpf/usdt.bpf.h>
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

enum { MODE_SEND = 0, MODE_COUNT = 1, MODE_HISTOGRAM = 2 };

const volatile __u8 mode = MODE_SEND;
const volatile __u8 wants_kernel_stack = 0;
const volatile __u8 wants_user_stack = 0;
const volatile __u8 wants_latency = 0; /* an entry program keeps the time for the return */
const volatile __u8 key_has_comm = 0;
const volatile __u32 arguments_given = PROBE_ARGUMENTS; /* of the function or raw tracepoint */
const volatile __u32 context_bytes = 0;                 /* of the tracepoint's record */
const volatile struct probe_condition conditions[PROBE_CONDITIONS] = {};
const volatile struct probe_figure measured = {}; /* counted by, or put into the histogram */
const volatile struct probe_text texts[PROBE_TEXTS] = {};

__u64 hits = 0;             /* conditions held */
__u64 lost_map_full = 0;    /* a key or an entry time that found no room */
__u64 lost_no_entry = 0;    /* a return whose entry was before the start */
__u64 lost_interrupted = 0; /* too many programs interrupted each other on one CPU */
__u64 lost_no_stack = 0;    /* stacks that could not be kept */

struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 8192);
    __type(key, __u32);
    __uint(value_size, PROBE_FRAMES * sizeof(__u64));
} stacks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct probe_key);
    __type(value, __u64);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PROBE_SLOTS + 1); /* the last one: negative values */
    __type(key, __u32);
    __type(value, __u64);
} slots SEC(".maps");

/* The time of the entry; by thread and depth of the stack a function that calls itself would need more. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, __u64);
    __type(value, __u64);
} entered SEC(".maps");

/* Where an event is put together. A program at a user function can be interrupted by another one on the same
 * CPU, so each takes a place of its own. */
#define PLACES 4
struct place {
    __u64 taken;
    struct probe_event event;
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PLACES);
    __type(key, __u32);
    __type(value, struct place);
} places SEC(".maps");

static __always_inline struct place* begin(void) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (!waggle_task_wanted(task)) return 0;
    for (__u32 i = 0; i < PLACES; i++) {
        __u32 at = i;
        struct place* place = bpf_map_lookup_elem(&places, &at);
        if (!place || __sync_val_compare_and_swap(&place->taken, 0, 1)) continue;
        struct probe_event* event = &place->event;
        waggle_header(&event->header, 0, sizeof *event, task);
        event->returned = event->latency_ns = 0;
        event->kernel_stack = event->user_stack = -1;
        event->cpu = bpf_get_smp_processor_id();
        event->context_bytes = 0;
        return place;
    }
    __sync_fetch_and_add(&lost_interrupted, 1);
    return 0;
}

static __always_inline __u64 shortened(__u64 value, const volatile struct probe_figure* figure) {
    __u32 bits = 64 - ((__u32)figure->size << 3);
    if (bits > 56) return value;
    value <<= bits;
    return figure->is_signed ? (__u64)((__s64)value >> bits) : value >> bits;
}

static __always_inline __u64 figure_of(struct probe_event* event,
                                       const volatile struct probe_figure* figure) {
    switch (figure->source) {
        case PROBE_ARGUMENT: {
            __u32 at = figure->at;
            return at < PROBE_ARGUMENTS ? shortened(event->arguments[at], figure) : 0;
        }
        case PROBE_CONTEXT: {
            __u64 value = 0;
            __u32 at = figure->at;
            if (at > PROBE_CONTEXT_MAX - 8) return 0;
            bpf_probe_read_kernel(&value, sizeof value, &event->context[at]);
            return shortened(value, figure);
        }
        case PROBE_RETURN:
            return shortened(event->returned, figure);
        case PROBE_LATENCY:
            return event->latency_ns;
        case PROBE_PID:
            return event->header.pid;
        case PROBE_TID:
            return event->header.tid;
        case PROBE_UID:
            return (__u32)bpf_get_current_uid_gid();
        case PROBE_CPU:
            return event->cpu;
    }
    return 0;
}

static __always_inline _Bool holds(struct probe_event* event,
                                   const volatile struct probe_condition* condition) {
    if (condition->comparison == PROBE_ALWAYS) return 1;
    __u64 left = figure_of(event, &condition->figure), right = condition->value;
    _Bool with_sign = condition->figure.is_signed;
    switch (condition->comparison) {
        case PROBE_EQUAL:
            return left == right;
        case PROBE_UNEQUAL:
            return left != right;
        case PROBE_LESS:
            return with_sign ? (__s64)left < (__s64)right : left < right;
        case PROBE_AT_MOST:
            return with_sign ? (__s64)left <= (__s64)right : left <= right;
        case PROBE_MORE:
            return with_sign ? (__s64)left > (__s64)right : left > right;
        case PROBE_AT_LEAST:
            return with_sign ? (__s64)left >= (__s64)right : left >= right;
        case PROBE_HAS_BIT:
            return (left & right) != 0;
    }
    return 0;
}

static __always_inline __u32 slot_of(__u64 value) {
    if ((__s64)value < 0 && measured.is_signed) return PROBE_SLOTS;
    return waggle_hist_slot(value, 0, 64);
}

static __always_inline void count(struct probe_event* event) {
    struct probe_key key = {.kernel_stack = event->kernel_stack, .user_stack = event->user_stack};
    if (measured.source != PROBE_NOTHING) key.value = figure_of(event, &measured);
    if (key_has_comm) __builtin_memcpy(key.comm, event->header.comm, sizeof key.comm);
    __u64* times = bpf_map_lookup_elem(&counts, &key);
    if (!times) {
        __u64 none = 0;
        bpf_map_update_elem(&counts, &key, &none, BPF_NOEXIST);
        times = bpf_map_lookup_elem(&counts, &key);
    }
    if (times)
        __sync_fetch_and_add(times, 1);
    else
        __sync_fetch_and_add(&lost_map_full, 1);
}

static __always_inline void read_texts(struct probe_event* event) {
    for (int i = 0; i < PROBE_TEXTS; i++) {
        event->texts[i][0] = 0;
        __u32 at = texts[i].at;
        if (texts[i].source != PROBE_ARGUMENT || at >= PROBE_ARGUMENTS) continue;
        const void* from = (const void*)event->arguments[at];
        if ((__s64)event->arguments[at] >= 0) /* the lower half is the process's own memory */
            bpf_probe_read_user_str(event->texts[i], PROBE_TEXT_MAX, from);
        else
            bpf_probe_read_kernel_str(event->texts[i], PROBE_TEXT_MAX, from);
    }
}

static __always_inline int judge(void* ctx, struct probe_event* event) {
    for (int i = 0; i < PROBE_CONDITIONS; i++)
        if (!holds(event, &conditions[i])) return 0;
    __sync_fetch_and_add(&hits, 1);
    if (mode == MODE_HISTOGRAM) {
        __u32 slot = slot_of(figure_of(event, &measured));
        __u64* times = bpf_map_lookup_elem(&slots, &slot);
        if (times) __sync_fetch_and_add(times, 1);
        return 0;
    }
    if (wants_kernel_stack) {
        event->kernel_stack = bpf_get_stackid(ctx, &stacks, 0);
        if (event->kernel_stack < 0) __sync_fetch_and_add(&lost_no_stack, 1);
    }
    if (wants_user_stack) event->user_stack = bpf_get_stackid(ctx, &stacks, 1u << 8 /* BPF_F_USER_STACK */);
    if (mode == MODE_COUNT) {
        count(event);
        return 0;
    }
    read_texts(event);
    struct probe_event* sent = waggle_reserve(sizeof *sent);
    if (!sent) return 0;
    __builtin_memcpy(sent, event, sizeof *sent);
    waggle_submit(sent);
    return 0;
}

static __always_inline int end(void* ctx, struct place* place) {
    judge(ctx, &place->event);
    place->taken = 0;
    return 0;
}

static __always_inline int enter(void) {
    __u64 thread = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
    if (!waggle_task_wanted(bpf_get_current_task_btf())) return 0;
    if (bpf_map_update_elem(&entered, &thread, &now, BPF_ANY)) __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}

static __always_inline int give_up(struct place* place) {
    place->taken = 0;
    return 0;
}

/* False: its entry was not seen. */
static __always_inline _Bool leave(struct probe_event* event) {
    if (!wants_latency) return 1;
    __u64 thread = bpf_get_current_pid_tgid();
    __u64* since = bpf_map_lookup_elem(&entered, &thread);
    if (!since) {
        __sync_fetch_and_add(&lost_no_entry, 1);
        return 0;
    }
    event->latency_ns = event->header.time_ns - *since;
    bpf_map_delete_elem(&entered, &thread);
    return 1;
}

static __always_inline int from_registers(struct pt_regs* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    event->arguments[0] = PT_REGS_PARM1_CORE(ctx);
    event->arguments[1] = PT_REGS_PARM2_CORE(ctx);
    event->arguments[2] = PT_REGS_PARM3_CORE(ctx);
    event->arguments[3] = PT_REGS_PARM4_CORE(ctx);
    event->arguments[4] = PT_REGS_PARM5_CORE(ctx);
    event->arguments[5] = BPF_CORE_READ(ctx, r9);
    event->arguments[6] = event->arguments[7] = 0;
    return end(ctx, place);
}

static __always_inline int from_return(struct pt_regs* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    __builtin_memset(event->arguments, 0, sizeof event->arguments);
    event->returned = PT_REGS_RC_CORE(ctx);
    return leave(event) ? end(ctx, place) : give_up(place);
}

SEC("kprobe")
int on_kprobe(struct pt_regs* ctx) { return from_registers(ctx); }
SEC("kprobe")
int on_kprobe_entry(struct pt_regs* ctx) { return enter(); }
SEC("kretprobe")
int on_kretprobe(struct pt_regs* ctx) { return from_return(ctx); }
SEC("uprobe")
int on_uprobe(struct pt_regs* ctx) { return from_registers(ctx); }
SEC("uprobe")
int on_uprobe_entry(struct pt_regs* ctx) { return enter(); }
SEC("uretprobe")
int on_uretprobe(struct pt_regs* ctx) { return from_return(ctx); }
SEC("kprobe.multi")
int on_kprobe_multi(struct pt_regs* ctx) { return from_registers(ctx); }

static __always_inline void function_arguments(void* ctx, struct probe_event* event) {
    for (__u32 i = 0; i < PROBE_ARGUMENTS; i++) {
        event->arguments[i] = 0;
        if (i < arguments_given) bpf_get_func_arg(ctx, i, &event->arguments[i]);
    }
}

SEC("fentry")
int on_fentry(void* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    function_arguments(ctx, event);
    return end(ctx, place);
}
SEC("fentry")
int on_fentry_entry(void* ctx) { return enter(); }
SEC("fexit")
int on_fexit(void* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    function_arguments(ctx, event);
    bpf_get_func_ret(ctx, &event->returned);
    return leave(event) ? end(ctx, place) : give_up(place);
}

SEC("raw_tp")
int on_raw_tp(__u64* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;

#pragma unroll
    for (__u32 i = 0; i < PROBE_ARGUMENTS; i++) event->arguments[i] = i < arguments_given ? ctx[i] : 0;
    return end(ctx, place);
}

SEC("tracepoint")
int on_tracepoint(void* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    __builtin_memset(event->arguments, 0, sizeof event->arguments);
    __u32 bytes = context_bytes;
    if (bytes > PROBE_CONTEXT_MAX) bytes = PROBE_CONTEXT_MAX;
    event->context_bytes = bytes;
    bpf_probe_read_kernel(event->context, bytes, ctx);
    return end(ctx, place);
}

SEC("usdt")
int on_usdt(struct pt_regs* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    for (__u32 i = 0; i < PROBE_ARGUMENTS; i++) {
        long value = 0;
        event->arguments[i] = bpf_usdt_arg(ctx, i, &value) ? 0 : (__u64)value;
    }
    return end(ctx, place);
}

SEC("perf_event")
int on_perf(void* ctx) {
    struct place* place = begin();
    if (!place) return 0;
    struct probe_event* event = &place->event;
    __builtin_memset(event->arguments, 0, sizeof event->arguments);
    return end(ctx, place);
}
