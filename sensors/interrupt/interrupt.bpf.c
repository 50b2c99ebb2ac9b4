// SPDX-License-Identifier: GPL-2.0
/* Interrupt handlers and softirqs, timed from entry to exit on the processor they run on, and counted at their exit. */
#include "bpf/process_flags.h"
#include "bpf/ring.h"
#include "sensors/interrupt/interrupt.event.h"

char LICENSE[] SEC("license") = "GPL";

#define SOFTIRQ_NET_RX 3 /* enum of include/linux/interrupt.h: the same on 6.1, 6.12 and 6.18 */

__u64 lost_map_full = 0; /* a line, process or device that found no room */

/* What runs on this processor now. A handler is not interrupted by another, and a softirq by no softirq; a handler can
 * interrupt a softirq. */
struct running {
    __u64 handler_began_ns;
    __u64 handlers_ns; /* all handlers of this processor so far */
    __u64 softirq_began_ns;
    __u64 softirq_handlers_ns; /* handlers_ns when it began */
};
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct running);
} running SEC(".maps");

/* No processor counts in another's entries, so nothing of them needs to be atomic. */
struct line_key {
    __u64 action; /* the handler: several can share a line */
    __u32 line;
    __u32 cpu;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2048);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct line_key);
    __type(value, struct interrupt_state);
} lines SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 5120); /* 10 kinds on 512 processors */
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, __u32); /* processor and kind */
    __type(value, struct softirq_state);
} softirqs SEC(".maps");
struct victim_key {
    __u64 start_ns;
    __u64 pid;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 4096);
    __type(key, struct victim_key);
    __type(value, struct interrupted_event);
} victims SEC(".maps");
struct poll_key {
    __u32 netns;
    __u32 ifindex;
    __u32 cpu;
    __u32 reserved;
};
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2048);
    __type(key, struct poll_key);
    __type(value, struct net_poll_event);
} polls SEC(".maps");

/* Records too large for the stack, built here; always empty but for what is written. One for each program that builds. */
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct interrupt_state);
} new_line SEC(".maps");
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct softirq_state);
} new_softirq SEC(".maps");

static __always_inline struct running* this_processor(void) {
    __u32 zero = 0;
    return bpf_map_lookup_elem(&running, &zero);
}

static __noinline int make_line(struct line_key* key, struct irqaction* action) {
    __u32 zero = 0;
    struct interrupt_state* made = bpf_map_lookup_elem(&new_line, &zero);
    if (!made || !key || !action) return 0;
    made->row.header.kind = interrupt_kind_line;
    made->row.header.size = sizeof made->row;
    made->row.cpu = key->cpu;
    made->row.line = key->line;
    bpf_probe_read_kernel_str(made->row.name, sizeof made->row.name, BPF_CORE_READ(action, name));
    if (bpf_map_update_elem(&lines, key, made, BPF_NOEXIST)) __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}

static __noinline int make_softirq(__u32 key) {
    __u32 zero = 0;
    struct softirq_state* made = bpf_map_lookup_elem(&new_softirq, &zero);
    if (!made) return 0;
    made->row.header.kind = interrupt_kind_softirq;
    made->row.header.size = sizeof made->row;
    made->row.cpu = key >> 8;
    made->row.kind = key & 0xff;
    if (bpf_map_update_elem(&softirqs, &key, made, BPF_NOEXIST)) __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}

static __noinline int make_victim(struct victim_key* key) {
    struct task_struct* task = bpf_get_current_task_btf();
    struct interrupted_event made = {};
    if (!key) return 0;
    waggle_header(&made.header, interrupt_kind_victim, sizeof made, task);
    made.header.tid = made.header.pid;
    /* Two threads of one process can come here at once; the second finds it made. */
    if (bpf_map_update_elem(&victims, key, &made, BPF_NOEXIST) == -7 /* E2BIG */)
        __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}

/* The process in whose time it ran; null for the idle task, which loses nothing. */
static __always_inline struct interrupted_event* victim_of(struct task_struct* task) {
    if (!task->tgid) return 0;
    struct victim_key key = {waggle_start_ns(task), task->tgid};
    struct interrupted_event* victim = bpf_map_lookup_elem(&victims, &key);
    if (victim) return victim;
    make_victim(&key);
    return bpf_map_lookup_elem(&victims, &key);
}

SEC("tp_btf/irq_handler_entry")
int BPF_PROG(on_handler_entry, int line, struct irqaction* action) {
    struct running* now = this_processor();
    if (now) now->handler_began_ns = bpf_ktime_get_ns();
    return 0;
}

SEC("tp_btf/irq_handler_exit")
int BPF_PROG(on_handler_exit, int line, struct irqaction* action) {
    struct running* here = this_processor();
    if (!here || !here->handler_began_ns) return 0; /* began before waggle */
    __u64 took_ns = bpf_ktime_get_ns() - here->handler_began_ns;
    here->handler_began_ns = 0;
    here->handlers_ns += took_ns;
    struct line_key key = {(__u64)action, (__u32)line, bpf_get_smp_processor_id()};
    struct interrupt_state* state = bpf_map_lookup_elem(&lines, &key);
    if (!state) {
        make_line(&key, action);
        state = bpf_map_lookup_elem(&lines, &key);
    }
    if (state) {
        state->row.times++;
        state->row.run_ns += took_ns;
        __u32 slot = waggle_hist_slot(took_ns, INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END);
        if (slot < INTERRUPT_SLOTS) state->slots[slot]++;
    }
    struct interrupted_event* victim = victim_of(bpf_get_current_task_btf());
    if (victim) {
        __sync_fetch_and_add(&victim->interrupts, 1);
        __sync_fetch_and_add(&victim->interrupt_ns, took_ns);
    }
    return 0;
}

/* A handler can run between the two readings at either end. The order is such that its time is then counted here too,
 * and never taken off without having been counted. */
SEC("tp_btf/softirq_entry")
int BPF_PROG(on_softirq_entry, unsigned int kind) {
    struct running* here = this_processor();
    if (!here) return 0;
    here->softirq_began_ns = bpf_ktime_get_ns();
    here->softirq_handlers_ns = *(volatile __u64*)&here->handlers_ns;
    return 0;
}

/* The kernel's own thread for softirqs: nobody waits for its time, and it shows that there was more than could be done in
 * between. No program can have both this flag and this name. */
static __always_inline _Bool is_ksoftirqd(struct task_struct* task) {
    if (!(task->flags & PF_KTHREAD)) return 0;
    char name[16];
    bpf_get_current_comm(name, sizeof name);
    return __builtin_memcmp(name, "ksoftirqd/", 10) == 0;
}

SEC("tp_btf/softirq_exit")
int BPF_PROG(on_softirq_exit, unsigned int kind) {
    struct running* here = this_processor();
    if (!here || !here->softirq_began_ns) return 0;
    __u64 handlers_ns = *(volatile __u64*)&here->handlers_ns - here->softirq_handlers_ns;
    __u64 took_ns = bpf_ktime_get_ns() - here->softirq_began_ns - handlers_ns;
    here->softirq_began_ns = 0;
    __u32 key = bpf_get_smp_processor_id() << 8 | (kind & 0xff);
    struct softirq_state* state = bpf_map_lookup_elem(&softirqs, &key);
    if (!state) {
        make_softirq(key);
        state = bpf_map_lookup_elem(&softirqs, &key);
    }
    struct task_struct* task = bpf_get_current_task_btf();
    _Bool in_thread = is_ksoftirqd(task);
    if (state) {
        state->row.times++;
        state->row.run_ns += took_ns;
        if (in_thread) {
            state->row.thread_times++;
            state->row.thread_ns += took_ns;
        }
        __u32 slot = waggle_hist_slot(took_ns, INTERRUPT_TIME_UNIT, INTERRUPT_TIME_END);
        if (slot < INTERRUPT_SLOTS) state->slots[slot]++;
    }
    if (in_thread) return 0;
    struct interrupted_event* victim = victim_of(task);
    if (victim) {
        __sync_fetch_and_add(&victim->softirqs, 1);
        __sync_fetch_and_add(&victim->softirq_ns, took_ns);
        if (kind == SOFTIRQ_NET_RX) __sync_fetch_and_add(&victim->receive_ns, took_ns);
    }
    return 0;
}

static __noinline int make_poll(struct poll_key* key, struct net_device* device) {
    struct net_poll_event made = {};
    if (!key) return 0;
    made.header.kind = interrupt_kind_poll;
    made.header.size = sizeof made;
    made.netns = key->netns;
    made.ifindex = key->ifindex;
    made.cpu = key->cpu;
    if (key->ifindex && device) bpf_probe_read_kernel_str(made.device, sizeof made.device, &device->name);
    if (bpf_map_update_elem(&polls, key, &made, BPF_NOEXIST)) __sync_fetch_and_add(&lost_map_full, 1);
    return 0;
}

/* Once for up to 64 packets. The backlog of a processor, which loopback, veth and RPS fill, is of no device. */
SEC("tp_btf/napi_poll")
int BPF_PROG(on_poll, struct napi_struct* napi, int work, int budget) {
    struct net_device* device = napi->dev;
    struct poll_key key = {0, 0, bpf_get_smp_processor_id(), 0};
    if (device) {
        key.ifindex = device->ifindex;
        if (key.ifindex) key.netns = device->nd_net.net->ns.inum;
    }
    struct net_poll_event* poll = bpf_map_lookup_elem(&polls, &key);
    if (!poll) {
        make_poll(&key, device);
        poll = bpf_map_lookup_elem(&polls, &key);
        if (!poll) return 0;
    }
    poll->polls++;
    if (work > 0) poll->packets += work;
    if (work >= budget) poll->full_polls++;
    return 0;
}
