// SPDX-License-Identifier: GPL-2.0
/* The programs behind `waggle probe`: one for each way into the kernel, all doing the same with what they
 * find: ask the conditions, then send, count, or put into a histogram. Written once, so that nobody needs a
 * compiler. */
/* clang-format off */
#include "bpf/kernel_drift.h"
#include "bpf/ring.h"
#include "sensors/probe/probe.event.h"
#include <bpf/usdt.bpf.h>
#include "sensors/probe/probe_figures.bpf.h"
/* clang-format on */

char LICENSE[] SEC("license") = "GPL";

enum { MODE_SEND = 0, MODE_COUNT = 1, MODE_HISTOGRAM = 2, MODE_SUM = 3 };

const volatile __u8 mode = MODE_SEND;
const volatile __u8 wants_kernel_stack = 0;
const volatile __u8 wants_user_stack = 0;
const volatile __u8 wants_latency = 0;                  /* an entry program keeps the time for the return */
const volatile __u8 many_places = 0;                    /* each has its number as cookie */
const volatile __u8 is_keyed = 0;                       /* a distribution for each key */
const volatile __u8 iterates_tasks = 0;                 /* the first argument is a task, whose event it is */
const volatile __u32 arguments_given = PROBE_ARGUMENTS; /* of the function or raw tracepoint */
const volatile __u32 context_bytes = 0;                 /* of the tracepoint's record */
const volatile __u32 event_bytes = sizeof(struct probe_event); /* that are used */
const volatile struct probe_condition conditions[PROBE_CONDITIONS] = {};
const volatile struct probe_figure measured = {}; /* put into the histogram, or summed up */
const volatile struct probe_figure keys[PROBE_KEYS] = {};
const volatile struct probe_figure kept_values[PROBE_VALUES] = {};
const volatile struct probe_figure kept_texts[PROBE_TEXTS] = {};

__u64 hits = 0;             /* conditions held */
__u64 lost_map_full = 0;    /* a key or an entry time that found no room */
__u64 lost_no_entry = 0;    /* a return whose entry was before the start */
__u64 lost_interrupted = 0; /* too many programs interrupted each other on one CPU */
__u64 lost_no_stack = 0;    /* stacks that could not be kept */
__u64 lost_not_read = 0;    /* not counted: the memory of what is counted by or measured could not be read */

struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(max_entries, 8192);
    __type(key, __u32);
    __uint(value_size, PROBE_FRAMES * sizeof(__u64));
} stacks SEC(".maps");

/* By build id and offset, so that one stack of many processes is one; sized where they are asked for. */
struct {
    __uint(type, BPF_MAP_TYPE_STACK_TRACE);
    __uint(map_flags, 1u << 5 /* BPF_F_STACK_BUILD_ID */);
    __uint(max_entries, 1);
    __type(key, __u32);
    __uint(value_size, PROBE_FRAMES * sizeof(struct probe_user_frame));
} user_stacks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct probe_key);
    __type(value, struct probe_count);
} counts SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PROBE_SLOTS + 1); /* the last one: negative values */
    __type(key, __u32);
    __type(value, __u64);
} slots SEC(".maps");

/* The time of the entry; by thread and depth of the stack a function that calls itself would need more. */
struct entry {
    __u64 thread;
    __u64 place;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 16384);
    __type(key, struct entry);
    __type(value, __u64);
} entered SEC(".maps");

/* A program at a user function can be interrupted by another one on the same CPU, so each takes a place of its own. */
#define PLACES 4
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, PLACES);
    __type(key, __u32);
    __type(value, struct place);
} places SEC(".maps");

static __always_inline __u64 number_of_place(void* ctx) {
    return many_places ? bpf_get_attach_cookie(ctx) : 0;
}

static __always_inline struct place* begin_of(void* ctx, struct task_struct* task) {
    if (!waggle_task_wanted(task)) return 0;
    for (__u32 i = 0; i < PLACES; i++) {
        __u32 at = i;
        struct place* place = bpf_map_lookup_elem(&places, &at);
        if (!place || __sync_val_compare_and_swap(&place->taken, 0, 1)) continue;
        struct probe_event* event = &place->event;
        waggle_header(&event->header, 0, event_bytes, task);
        event->returned = event->latency_ns = 0;
        event->kernel_stack = event->user_stack = -1;
        event->cpu = bpf_get_smp_processor_id();
        event->place = number_of_place(ctx);
        event->context_bytes = 0;
        event->unread_values = 0;
        return place;
    }
    __sync_fetch_and_add(&lost_interrupted, 1);
    return 0;
}
static __always_inline struct place* begin(void* ctx) { return begin_of(ctx, bpf_get_current_task_btf()); }

static __always_inline __u32 slot_of(__u64 value) {
    if ((__s64)value < 0 && measured.is_signed) return PROBE_SLOTS;
    return waggle_hist_slot(value, 0, 64);
}

static __always_inline void make_key(struct place* place) {
    struct probe_key* key = &place->key;
    __u32 texts = 0;
    __builtin_memset(key, 0, sizeof *key);
    key->kernel_stack = place->event.kernel_stack;
    key->user_stack = place->event.user_stack;
    for (__u32 i = 0; i < PROBE_KEYS; i++) {
        const volatile struct probe_figure* figure = &keys[i];
        if (figure->source == PROBE_NOTHING) break;
        if (figure->text == PROBE_NUMBER)
            key->values[i] = figure_of(place, figure);
        else if (texts < PROBE_KEY_TEXTS)
            read_text(place, figure, key->texts[texts++], PROBE_KEY_TEXT_MAX);
    }
    if (mode == MODE_HISTOGRAM) key->slot = slot_of(figure_of(place, &measured));
}

static __always_inline void count(struct place* place) {
    place->unread = 0;
    make_key(place);
    __u64 more = mode == MODE_SUM ? figure_of(place, &measured) : 0;
    if (place->unread) {
        __sync_fetch_and_add(&lost_not_read, 1);
        return;
    }
    struct probe_count* counted = bpf_map_lookup_elem(&counts, &place->key);
    if (!counted) {
        struct probe_count none = {};
        bpf_map_update_elem(&counts, &place->key, &none, BPF_NOEXIST);
        counted = bpf_map_lookup_elem(&counts, &place->key);
    }
    if (!counted) {
        __sync_fetch_and_add(&lost_map_full, 1);
        return;
    }
    __sync_fetch_and_add(&counted->times, 1);
    if (mode == MODE_SUM) __sync_fetch_and_add(&counted->sum, more);
}

/* What is running in user space has no stack in the kernel, and a thread of the kernel none of its own. */
static __always_inline __s32 kept_stack(__s32 stack) {
    if (stack < 0 && stack != -14 /* EFAULT */) __sync_fetch_and_add(&lost_no_stack, 1);
    return stack < 0 ? -1 : stack;
}

static __always_inline void send(struct place* place) {
    struct probe_event* event = &place->event;
    for (__u32 i = 0; i < PROBE_VALUES; i++) {
        if (kept_values[i].source == PROBE_NOTHING) continue;
        place->unread = 0;
        event->values[i] = figure_of(place, &kept_values[i]);
        if (place->unread) event->unread_values |= 1u << i;
    }
    for (__u32 i = 0; i < PROBE_TEXTS; i++)
        if (kept_texts[i].source != PROBE_NOTHING)
            read_text(place, &kept_texts[i], event->texts[i], PROBE_TEXT_MAX);
    __u32 bytes = event_bytes;
    if (bytes > sizeof *event) return;
    struct probe_event* sent = waggle_reserve(bytes);
    if (!sent) return;
    bpf_probe_read_kernel(sent, bytes, event);
    waggle_submit(sent);
}

static __always_inline void judge(void* ctx, struct place* place) {
    struct probe_event* event = &place->event;
    if (!all_hold(place, conditions)) return;
    __sync_fetch_and_add(&hits, 1);
    if (mode == MODE_HISTOGRAM && !is_keyed) {
        place->unread = 0;
        __u32 slot = slot_of(figure_of(place, &measured));
        __u64* times = bpf_map_lookup_elem(&slots, &slot);
        if (times) __sync_fetch_and_add(place->unread ? &lost_not_read : times, 1);
        return;
    }
    if (wants_kernel_stack) event->kernel_stack = kept_stack(bpf_get_stackid(ctx, &stacks, 0));
    if (wants_user_stack)
        event->user_stack = kept_stack(bpf_get_stackid(ctx, &user_stacks, 1u << 8 /* BPF_F_USER_STACK */));
    if (mode == MODE_SEND)
        send(place);
    else
        count(place);
}

static __always_inline int end(void* ctx, struct place* place) {
    judge(ctx, place);
    place->taken = 0;
    return 0;
}

static __always_inline int enter(void* ctx) {
    struct entry entry = {bpf_get_current_pid_tgid(), number_of_place(ctx)};
    __u64 now = bpf_ktime_get_ns();
    if (!waggle_task_wanted(bpf_get_current_task_btf())) return 0;
    if (bpf_map_update_elem(&entered, &entry, &now, BPF_ANY)) __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}

static __always_inline int give_up(struct place* place) {
    place->taken = 0;
    return 0;
}

/* False: its entry was not seen. */
static __always_inline _Bool leave(struct probe_event* event) {
    if (!wants_latency) return 1;
    struct entry entry = {bpf_get_current_pid_tgid(), event->place};
    __u64* since = bpf_map_lookup_elem(&entered, &entry);
    if (!since) {
        __sync_fetch_and_add(&lost_no_entry, 1);
        return 0;
    }
    event->latency_ns = event->header.time_ns - *since;
    bpf_map_delete_elem(&entered, &entry);
    return 1;
}

static __always_inline int from_registers(struct pt_regs* ctx) {
    struct place* place = begin(ctx);
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
    struct place* place = begin(ctx);
    if (!place) return 0;
    struct probe_event* event = &place->event;
    __builtin_memset(event->arguments, 0, sizeof event->arguments);
    event->returned = PT_REGS_RC_CORE(ctx);
    return leave(event) ? end(ctx, place) : give_up(place);
}

SEC("kprobe")
int on_kprobe(struct pt_regs* ctx) { return from_registers(ctx); }
SEC("kprobe")
int on_kprobe_entry(struct pt_regs* ctx) { return enter(ctx); }
SEC("kretprobe")
int on_kretprobe(struct pt_regs* ctx) { return from_return(ctx); }
SEC("uprobe")
int on_uprobe(struct pt_regs* ctx) { return from_registers(ctx); }
SEC("uprobe")
int on_uprobe_entry(struct pt_regs* ctx) { return enter(ctx); }
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
    struct place* place = begin(ctx);
    if (!place) return 0;
    struct probe_event* event = &place->event;
    function_arguments(ctx, event);
    return end(ctx, place);
}
SEC("fentry")
int on_fentry_entry(void* ctx) { return enter(ctx); }
SEC("fexit")
int on_fexit(void* ctx) {
    struct place* place = begin(ctx);
    if (!place) return 0;
    struct probe_event* event = &place->event;
    function_arguments(ctx, event);
    bpf_get_func_ret(ctx, &event->returned);
    return leave(event) ? end(ctx, place) : give_up(place);
}

SEC("raw_tp")
int on_raw_tp(__u64* ctx) {
    struct place* place = begin(ctx);
    if (!place) return 0;
    struct probe_event* event = &place->event;

#pragma unroll
    for (__u32 i = 0; i < PROBE_ARGUMENTS; i++) event->arguments[i] = i < arguments_given ? ctx[i] : 0;
    return end(ctx, place);
}

SEC("tracepoint")
int on_tracepoint(void* ctx) {
    struct place* place = begin(ctx);
    if (!place) return 0;
    struct probe_event* event = &place->event;
    __builtin_memset(event->arguments, 0, sizeof event->arguments);
    __u32 bytes = context_bytes;
    if (bytes > PROBE_CONTEXT_MAX) bytes = PROBE_CONTEXT_MAX;
    event->context_bytes = bytes;
    place->record = (__u64)ctx;
    bpf_probe_read_kernel(event->context, bytes, ctx);
    return end(ctx, place);
}

SEC("usdt")
int on_usdt(struct pt_regs* ctx) {
    struct place* place = begin(ctx);
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
    struct place* place = begin(ctx);
    if (!place) return 0;
    struct probe_event* event = &place->event;
    __builtin_memset(event->arguments, 0, sizeof event->arguments);
    return end(ctx, place);
}

/* A walk over what there is now, read by us. */
SEC("iter/task")
int on_iter(__u64* ctx) {
    void* first = (void*)ctx[1];
    if (!first) return 0; /* its end */
    struct task_struct* reader = bpf_get_current_task_btf();
    struct task_struct* task = iterates_tasks ? first : reader;
    struct place* place = begin_of(ctx, task);
    if (!place) return 0;
    struct probe_event* event = &place->event;
    event->header.cgroup_id = 0;
    if (iterates_tasks)
        bpf_probe_read_kernel(event->header.comm, sizeof event->header.comm, task->comm);
    else
        event->header.pid = event->header.tid = event->header.comm[0] = 0;

#pragma unroll
    for (__u32 i = 0; i < PROBE_ARGUMENTS; i++) event->arguments[i] = i < arguments_given ? ctx[1 + i] : 0;
    return end(ctx, place);
}
